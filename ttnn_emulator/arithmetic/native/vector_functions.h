// SPDX-FileCopyrightText: © 2026 The BitNet on Tenstorrent authors
// SPDX-License-Identifier: Apache-2.0

// Functions of the vector unit, step by step as its kernels take them: polynomials, and estimates that are refined.
//
// The steps and coefficients are those of the kernels that ship with ttnn 0.81.1 (tt_metal/hw/ckernels/*/llk_sfpu). A
// step is a multiply-add, `mad`, or `cancelling` where little is left of it. WIDE says that the register holds float32,
// for which there are other polynomials; else a result is rounded to bfloat16. Blackhole has a reciprocal of its own.
//
// The functions work on the fields of a float32: biased exponent [30:23] and mantissa [22:0].
//
// Example: exp(1.0) for a register of 16 bits. 1.0 / ln 2 + 127 = 128.442695, in fixed point with 23 bits of fraction
// 0x4038AA3B: the exponent 128, which is 2^1, and the fraction 0x38AA3B of 2^23 (0.4427). The parabola turns the
// fraction into the mantissa of 2^0.4427 = 1.3591; the result 2.7183 is rounded to 2.71875.
#pragma once

#include <cmath>
#include <cstdint>

#include "bits.h"
#include "formats.h"
#include "vector_unit.h"

namespace tensix::sfpu {

constexpr float PER_LN2 = 1.4426950216293335f, PER_LN2_SHORT = 1.442695f, PER_HALF_LN2 = 2.88539f;
constexpr float LN2 = 0.6931471805599453f;
constexpr float EXP_SHIFTS[] = {-6.93145752e-1f, -1.42860677e-6f};
constexpr float EXP[] = {1.37805939e-3f, 8.37312452e-3f, 4.16695364e-2f, 1.66664720e-1f, 4.99999851e-1f, 1.0f, 1.0f};
// of 2^(f / 2^23); the kernel of exp has the lowest in float16
constexpr float EXP_16[] = {4.791750143340323e-15f, 7.839635491371155e-08f, 1.001953125f};
constexpr float EXP_16_INSIDE[] = {4.791750143340323e-15f, 7.839635491371155e-08f, 1.0017248f};
constexpr float LOG[] = {-0x1.92cp-5f, 0x1.b84p-4f,       -0x1.0c4p-3f,    0x1.274p-3f, -0x1.55p-3f,
                         0x1.998p-3f,  -0x1.00001ap-2f, 0x1.555572p-2f, -0x1p-1f};
constexpr float LOG_16[] = {-0.25f, 0x1.744p-2f, -0x1.008p-1f};
constexpr float LN2_LAST_BIT = static_cast<float>(0.693147182 * 1.19209290e-7);
constexpr float TANH[] = {1.974105835e-04f, 1.393318176e-3f, 8.331298828e-3f, 4.166680202e-2f, 1.666667163e-1f, 0.5f};
constexpr float TANH_16[] = {5.876733921468258e-3f,   -6.6649019718170166e-2f, 0.28191763162612915f,
                             -0.48906597495079041f, 3.0897438526153564e-2f,  0.999004364013671875f, 0.0f};
constexpr float RECIPROCAL[] = {0.32323250174522400f, 1.4545459747314453f, 2.1212124824523926f};
constexpr float RECIPROCAL_16[] = {0.32133400440216065f, 1.4514148235321045f, 2.1200883388519287f};
constexpr int32_t ROOT_SEED = 0x5F1110A0;
constexpr float ROOT[] = {2.2825186f, 2.2533049f};
// two rational functions: of magnitudes below 2.5, and up to 5
constexpr float ERFC_NEAR_ABOVE[] = {1.3746744953e-02f, -1.5691982210e-01f, 6.8185544014e-01f, -1.3375675678e00f,
                                     1.0000233650e00f};
constexpr float ERFC_NEAR_BELOW[] = {2.8375532478e-02f, 2.5104774162e-02f,  -3.4568668343e-03f,
                                     4.3667086959e-01f, -2.0801517367e-01f, 1.0f};
constexpr float ERFC_FAR_ABOVE[] = {-4.7387182178e-08f, 9.1439767402e-07f, -6.6162156145e-06f, 2.1275576728e-05f,
                                    -2.5655237550e-05f};
constexpr float ERFC_FAR_BELOW[] = {-2.1375391632e-02f, 1.2677097321e-01f,  -1.3888636231e-01f,
                                    -2.0572184026e-01f, -1.6457208991e-01f, 1.0f};

template <bool WIDE>
inline float narrow(float result) {
    return WIDE ? result : packed(std::abs(result) < SMALLEST ? 0.0f : result);
}

// Blackhole's own reciprocal: of the middle of all numbers that share 8 bits, to 8 bits; 0 from 2^126 on.
inline float estimate(float x) {
    const float inverse = 1.0f / from_bits((to_bits(x) & -0x10000) | 0x8000);
    const float result = from_bfloat16(to_bfloat16<Rounding::NEAREST_EVEN>(inverse));
    const float size = std::abs(x);
    const float beyond = copy_sign(size < 1 ? INFINITE : 0.0f, x);
    return size >= SMALLEST && size < 0x1p126f ? result : beyond;
}

// Wormhole's: a parabola for the mantissa and STEPS of Newton's iteration; infinity for 0, and 0 from 2^127 on.
template <int STEPS, bool ROUNDED>
inline float scaled_inverse(float x, const float (&start)[3]) {
    const int32_t bits = to_bits(x);
    const float mantissa = from_bits((bits & MANTISSA_BITS) | -0x40800000);  // negative, from -2 to -1
    float result = cancelling(mantissa, mad(mantissa, start[0], start[1]), start[2]);
    for (int step = 0; step < STEPS; ++step) result = mad(result, cancelling(mantissa, result, 1.0f), result);
    if (ROUNDED) result = packed(result);
    const int32_t exponent = bits & INFINITY_BITS;
    const int32_t scale = exponent == 0 ? INFINITY_BITS : std::max(0x7F000000 - exponent, 0);
    result *= from_bits(scale);
    return copy_sign(result < SMALLEST ? 0.0f : result, x);
}

// 1 / x inside a kernel, by STEPS of Newton's iteration.
template <Architecture CHIP, int STEPS>
inline float inverse(float x) {
    if (CHIP == Architecture::WORMHOLE) return scaled_inverse<STEPS, false>(x, RECIPROCAL);
    float result = estimate(x);
    const bool regular = x != 0 && !std::isinf(x);
    for (int step = 0; step < STEPS; ++step) {
        const float refined = result * -cancelling(x, result, -2.0f);
        result = regular ? refined : result;
    }
    return result;
}

template <Architecture CHIP, bool WIDE>
inline float recip(float x) {
    if (CHIP == Architecture::WORMHOLE)
        return WIDE ? inverse<CHIP, 2>(x) : scaled_inverse<1, true>(x, RECIPROCAL_16);
    const float result = estimate(x);
    if (WIDE) {
        float error = cancelling(-x, result, 1.0f);
        error = mad(mad(error, error, error), error, error);
        return mad(error < 1 ? error : 1.0f, result, result);
    }
    // where half a last place more is still too little, it is one more
    const int32_t bits = to_bits(result);
    const bool too_little = mad(x, from_bits(bits | 0x8000), -1.0f) < 0;
    return from_bits(too_little ? bits_more(bits, 0x10000) : bits);
}

template <bool WIDE, bool INVERSE>
inline float root(float x) {
    float y = from_bits(bits_less(ROOT_SEED, to_bits(x) >> 1));
    const float c = -y * (x * y);
    y = y * mad(c, c + ROOT[1], ROOT[0]);
    const float xy = x * y;
    const float error = cancelling(-y, xy, 1.0f);
    const float result = INVERSE ? mad(error, y * 0.5f, y) : mad(error, xy * 0.5f, xy);
    const bool regular = x > 0 && !std::isinf(x);
    const float exact = std::sqrt(x);
    return narrow<WIDE>(regular ? result : INVERSE ? 1.0f / exact : exact);
}

inline float exp_wide(float x) {
    float power = x * PER_LN2_SHORT;
    power = bounded(std::trunc(power + copy_sign(0.5f, power)), -32767.0f, 32767.0f);
    const float rest = mad(power, EXP_SHIFTS[1], mad(power, EXP_SHIFTS[0], x));
    const int32_t bits = to_bits(horner(rest, EXP));
    const int32_t exponent = (bits >> 23) + static_cast<int32_t>(power);
    const float result = from_bits((bits & MANTISSA_BITS) | (exponent << 23));
    return exponent >= 255 ? INFINITE : exponent < 1 ? 0.0f : result;
}

// Not rounded. The power of 2 becomes a fixed-point number: an exponent, and a fraction to correct.
inline float exp_16(float x, const float (&coefficients)[3]) {
    const float power = mad(x, PER_LN2, 127.0f);
    const int32_t fixed = static_cast<int32_t>(bounded(power, 0.0f, 255.0f) * 0x1p23f);
    const int32_t fraction =
        to_bits(horner(static_cast<float>(fixed & MANTISSA_BITS), coefficients)) & MANTISSA_BITS;
    const float result = from_bits(fraction | (fixed & INFINITY_BITS));
    return power >= 255 ? INFINITE : power < 1 ? 0.0f : result;
}

template <Architecture, bool WIDE>
inline float exp(float x) {
    return WIDE ? exp_wide(x) : narrow<false>(exp_16(x, EXP_16));
}

template <Architecture, bool WIDE>
inline float log(float x) {
    const int32_t exponent = bits_less(to_bits(x), 0x3F400000) & -0x800000;
    const float rest = from_bits(bits_less(to_bits(x), exponent)) - 1;  // between -0.25 and 0.5
    const float polynomial = WIDE ? horner(rest, LOG) : horner(rest, LOG_16);
    const float result = mad(static_cast<float>(exponent), LN2_LAST_BIT, mad(polynomial, rest * rest, rest));
    const float irregular = x == 0 ? -INFINITE : x < 0 ? NOT_A_NUMBER : x;
    return narrow<WIDE>(x > 0 && !std::isinf(x) ? result : irregular);
}

template <Architecture CHIP, bool WIDE>
inline float sigmoid_inside(float x) {
    return WIDE ? inverse<CHIP, 2>(exp_wide(-x) + 1) : inverse<CHIP, 1>(exp_16(-x, EXP_16_INSIDE) + 1);
}

template <Architecture CHIP, bool WIDE>
inline float sigmoid(float x) {
    return narrow<WIDE>(sigmoid_inside<CHIP, WIDE>(x));
}

template <Architecture CHIP, bool WIDE>
inline float silu(float x) {
    return narrow<WIDE>(multiply<CHIP, WIDE>(x, sigmoid_inside<CHIP, WIDE>(x)));
}

template <Architecture CHIP, bool WIDE>
inline float tanh(float x) {
    const float size = std::abs(x);
    if (!WIDE) return narrow<false>(copy_sign(at_most(horner(size, TANH_16), 1.0f), x));
    // (e^2a - 1) / (e^2a + 1), both halved
    const float power = bounded(std::floor(std::abs(x * PER_HALF_LN2) + 0.5f), 0.0f, 61.0f);
    const float rest = mad(power, -LN2, size * 2);
    const float scale = from_bits((static_cast<int32_t>(power) - 1 + 127) << 23);
    const float tail = mad(horner(rest, TANH), rest * rest, rest);
    const float above = mad(tail, scale, scale - 0.5f);
    const float below = above + 1;
    float inverse, error;
    if (CHIP == Architecture::BLACKHOLE) {
        inverse = estimate(below);
        error = cancelling(-below, inverse, 1.0f);
    } else {
        inverse = -from_bits(bits_less(-0x010D0000, to_bits(below)));
        error = cancelling(-below, inverse, 1.0f);
        error = mad(error, error, error);
    }
    inverse = mad(inverse, error, inverse);
    float ratio = above * inverse;
    ratio = mad(cancelling(-below, ratio, above), inverse, ratio);
    ratio = power >= 61 ? 1.0f : ratio;
    return size < 0x1p-12f ? x : copy_sign(ratio, x);
}

template <Architecture CHIP, bool>
inline float erfc(float x) {
    const float size = at_most(std::abs(x), 5.0f);
    const bool far = size >= 2.5f;
    const float above = far ? cancelling_horner(size, ERFC_FAR_ABOVE) : cancelling_horner(size, ERFC_NEAR_ABOVE);
    const float below = far ? cancelling_horner(size, ERFC_FAR_BELOW) : cancelling_horner(size, ERFC_NEAR_BELOW);
    const float result = above * (CHIP == Architecture::BLACKHOLE ? estimate(below) : inverse<CHIP, 1>(below));
    return x < 0 ? 2 - result : result;
}

// a / b, not rounded to bfloat16.
template <Architecture CHIP, bool WIDE>
inline float divide(float a, float b) {
    if (!WIDE) {
        const float result = b == 0 ? a / 0.0f : multiply<CHIP, false>(a, inverse<CHIP, 2>(b));
        return std::isnan(a) || std::isnan(b) ? NOT_A_NUMBER : result;
    }
    // each is a number from 1 to 2 with the sign, times a power of 2
    const float above = from_bits((to_bits(a) & ~INFINITY_BITS) | 0x3F800000), power_a = power_at_most(a);
    const float below = from_bits((to_bits(b) & ~INFINITY_BITS) | 0x3F800000), power_b = power_at_most(b);
    const float inverted = inverse<CHIP, 1>(below);
    float quotient = above * inverted;
    quotient = mad(cancelling(-below, quotient, above), inverted, quotient);
    const bool regular = power_a > 0 && power_b > 0 && !std::isinf(power_a + power_b);
    const float scaled = static_cast<float>(static_cast<double>(quotient) * power_a / power_b);
    return flushed<CHIP>(regular ? scaled : a / b);
}

// a - floor(a / b) * b, which a quotient next to a whole number leads astray, with two corrections.
template <Architecture CHIP>
inline float remainder(float a, float b) {
    float result = cancelling(-std::floor(a * inverse<CHIP, 2>(b)), b, a);
    result = result != 0 && std::signbit(result) != std::signbit(b) ? result + b : result;
    const float less = result - b;
    const bool alike = a != 0 && std::signbit(a) == std::signbit(b);
    result = alike && (b > 0 ? less >= 0 : less <= 0) ? less : result;
    return b == 0 || std::isnan(b) ? NOT_A_NUMBER : result;
}

// The functions by name. NaN stays NaN.
enum class Function : int32_t { EXP, LOG, SQRT, RSQRT, RECIP, SIGMOID, SILU, TANH, ERFC };
constexpr int32_t FUNCTIONS = static_cast<int32_t>(Function::ERFC) + 1;

template <Function FUNCTION, Architecture CHIP, bool WIDE>
inline float of_number(float x) {
    if constexpr (FUNCTION == Function::EXP) return exp<CHIP, WIDE>(x);
    if constexpr (FUNCTION == Function::LOG) return log<CHIP, WIDE>(x);
    if constexpr (FUNCTION == Function::SQRT) return root<WIDE, false>(x);
    if constexpr (FUNCTION == Function::RSQRT) return root<WIDE, true>(x);
    if constexpr (FUNCTION == Function::RECIP) return recip<CHIP, WIDE>(x);
    if constexpr (FUNCTION == Function::SIGMOID) return sigmoid<CHIP, WIDE>(x);
    if constexpr (FUNCTION == Function::SILU) return silu<CHIP, WIDE>(x);
    if constexpr (FUNCTION == Function::TANH) return tanh<CHIP, WIDE>(x);
    if constexpr (FUNCTION == Function::ERFC) return erfc<CHIP, WIDE>(x);
}

template <Function FUNCTION, Architecture CHIP, bool WIDE>
inline float apply(float x) {
    const float result = of_number<FUNCTION, CHIP, WIDE>(x);
    return std::isnan(x) ? x : result;
}

}  // namespace tensix::sfpu
