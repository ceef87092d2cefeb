/* Numbers of 2, 4 or 8 bits, a word of them at once, for cores that multiply two pairs of 16 bits in one instruction
 * (Cortex-M4, M7, M33). Elsewhere the same is done in plain C: fast where words may lie anywhere, as on a Cortex-M3. */

#if defined __GNUC__ && defined __ARM_FEATURE_UNALIGNED && !defined __ARM_BIG_ENDIAN
#define NETWORK_HAS_WORDS 1
#else
#define NETWORK_HAS_WORDS 0
#endif

#if NETWORK_HAS_WORDS && defined __ARM_FEATURE_SIMD32
#include <arm_acle.h>
#define NETWORK_HAS_SIMD 1
#else
#define NETWORK_HAS_SIMD 0
#endif

#if NETWORK_HAS_WORDS && defined __clang__
#define NETWORK_UNROLL _Pragma("clang loop unroll(full)")
#elif NETWORK_HAS_WORDS && __GNUC__ >= 8
#define NETWORK_UNROLL _Pragma("GCC unroll 16")
#else
#define NETWORK_UNROLL
#endif

/* What follows is not loaded before: compilers would rather have more at once than there are registers. */
#if NETWORK_HAS_SIMD
#define NETWORK_IN_ORDER __asm__ volatile("" ::: "memory")
#else
#define NETWORK_IN_ORDER
#endif

/* A variable that stays out of the registers, which a loop inside needs. */
#if NETWORK_HAS_SIMD
#define NETWORK_KEPT volatile
#else
#define NETWORK_KEPT
#endif

/* Four bytes, wherever they lie, the first one lowest. */
NETWORK_INLINE uint32_t network_word(const uint8_t *from)
{
#if NETWORK_HAS_WORDS
    uint32_t word;
    __builtin_memcpy(&word, from, 4);
    return word;
#else
    return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
#endif
}

/* 16 bits. */
NETWORK_INLINE uint32_t network_half(const uint8_t *from)
{
#if NETWORK_HAS_WORDS
    uint16_t half;
    __builtin_memcpy(&half, from, 2);
    return half;
#else
    return from[0] | (uint32_t)from[1] << 8;
#endif
}

/* A variable in a register, of which nothing is known: compilers would rather make a constant anew each time. */
#if NETWORK_HAS_SIMD
#define NETWORK_HOLD(variable) __asm__("" : "+r"(variable))
#else
#define NETWORK_HOLD(variable)
#endif

/* Of the numbers of `bits` in both halves of a word, the pair from bit `at` on: in both halves of the result. */
NETWORK_INLINE uint32_t network_pair(uint32_t word, const uint8_t bits, const uint8_t at, uint32_t mask)
{
#if NETWORK_HAS_SIMD
    uint32_t pair;
    if (bits == 8 && at == 0)
        __asm__("uxtb16 %0, %1" : "=r"(pair) : "r"(word));
    else if (bits == 8)
        __asm__("uxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(word));
    else if (at == 0 || !__builtin_constant_p(at))
        pair = word >> at & mask;
    else
        __asm__("and %0, %1, %2, lsr %3" : "=r"(pair) : "r"(mask), "r"(word), "I"(at));
    return pair;
#else
    (void)bits;
    return word >> at & mask;
#endif
}

/* The same of bytes in two's complement: the halves have their signs. */
NETWORK_INLINE uint32_t network_signed_pair(uint32_t word, const uint8_t at)
{
#if NETWORK_HAS_SIMD
    uint32_t pair;
    if (at == 0)
        __asm__("sxtb16 %0, %1" : "=r"(pair) : "r"(word));
    else
        __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(word));
    return pair;
#else
    const int8_t low = (int8_t)(word >> at & 255), high = (int8_t)(word >> at >> 16 & 255);
    return (uint16_t)low | (uint32_t)high << 16;
#endif
}

/* Each half less a constant. */
NETWORK_INLINE uint32_t network_lowered(uint32_t pair, const uint16_t by)
{
#if NETWORK_HAS_SIMD
    return (uint32_t)__ssub16((int16x2_t)pair, (int16x2_t)(by * 0x10001u));
#else
    return ((pair - by) & 0xffff) | ((pair >> 16) - by) << 16;
#endif
}

/* sum + low half times low half. */
NETWORK_INLINE int32_t network_add_low(uint32_t a, uint32_t b, int32_t sum)
{
#if NETWORK_HAS_SIMD
    return __smlabb((int32_t)a, (int32_t)b, sum);
#else
    return sum + (int32_t)(int16_t)(a & 0xffff) * (int16_t)(b & 0xffff);
#endif
}

/* sum + high half times high half. */
NETWORK_INLINE int32_t network_add_high(uint32_t a, uint32_t b, int32_t sum)
{
#if NETWORK_HAS_SIMD
    return __smlatt((int32_t)a, (int32_t)b, sum);
#else
    return sum + (int32_t)(int16_t)(a >> 16) * (int16_t)(b >> 16);
#endif
}

/* Both. */
NETWORK_INLINE int32_t network_add_both(uint32_t a, uint32_t b, int32_t sum)
{
#if NETWORK_HAS_SIMD
    return __smlad((int16x2_t)a, (int16x2_t)b, sum);
#else
    return network_add_high(a, b, network_add_low(a, b, sum));
#endif
}

/* number / 2^places, half to even, then from 0 to 2^bits - 1. */
NETWORK_INLINE uint32_t network_round_index(int32_t number, const uint8_t places, const uint8_t bits)
{
    const int32_t largest = (int32_t)((1u << bits) - 1);
#if NETWORK_HAS_SIMD
    if (__builtin_constant_p(bits) && __builtin_constant_p(places)) {
        if (places)
            number += (1 << places >> 1) - 1 + (number >> places & 1);
        __asm__("usat %0, %1, %0, asr %2" : "+r"(number) : "I"(bits), "I"(places));
        return (uint32_t)number;
    }
#endif
    if (number < 0)
        return 0;
    if (places)
        number += ((int32_t)1 << places >> 1) - 1 + (number >> places & 1);
    number >>= places;
    return (uint32_t)(number > largest ? largest : number);
}
