/*
 * dice: numbers that look random and are the same for the same seed everywhere.
 *
 * Source   SplitMix64: Steele, Lea, Flood, Fast Splittable Pseudorandom Number Generators, 2014.
 */
#ifndef LH_TEXT_DICE_H
#define LH_TEXT_DICE_H

#include <stdint.h>

static inline uint64_t
text_dice(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15ULL);

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}

#endif
