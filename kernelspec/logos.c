/* SPDX-License-Identifier: BSD-3-Clause */
/* The logos, embedded by the assembler. The Makefile makes this object depend on the files. */
#include "kernelspec/logos.h"

#define EMBED(symbol, path)                                          \
    __asm__(".section .rodata\n"                                     \
            ".global logo_" #symbol "_start, logo_" #symbol "_end\n" \
            "logo_" #symbol "_start: .incbin \"" path "\"\n"         \
            "logo_" #symbol "_end: .byte 0\n"                        \
            ".previous\n");                                          \
    extern const unsigned char logo_##symbol##_start[], logo_##symbol##_end[]

EMBED(32, "kernelspec/logos/logo-32x32.png");
EMBED(64, "kernelspec/logos/logo-64x64.png");
EMBED(svg, "kernelspec/logos/logo-svg.svg");

#define LOGO_COUNT 3

const struct logo *logos(size_t *ret_count)
{
    static struct logo all[LOGO_COUNT];
    all[0] = (struct logo){"logo-32x32.png", logo_32_start, (size_t)(logo_32_end - logo_32_start)};
    all[1] = (struct logo){"logo-64x64.png", logo_64_start, (size_t)(logo_64_end - logo_64_start)};
    all[2] = (struct logo){"logo-svg.svg", logo_svg_start, (size_t)(logo_svg_end - logo_svg_start)};
    *ret_count = LOGO_COUNT;
    return all;
}
