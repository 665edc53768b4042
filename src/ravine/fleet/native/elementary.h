// Elementary functions without branches, so that loops over them become vectors; the overloads for double call the C library.
//
// Errors, measured over all of float's range by tests/unit/native/test_structures.py: at most 4e-7 relative. NaN passes through,
// limits at infinity and at poles are exact, and overflow gives infinity. The coefficients were fitted for this file: weighted minimax
// by Lawson's iteration in float64, in the forms named beside them. -ffast-math would break them: comparisons with NaN must be false.
#pragma once

#include <cstdint>
#include <cstring>

#include "mathematics.h"

namespace {

#define RAVINE_ELEMENTARY static inline __attribute__((always_inline))

constexpr float INFINITE = INFINITY;
constexpr float NO_NUMBER = NAN;

RAVINE_ELEMENTARY int32_t bits_of(float x) {
    int32_t bits;
    std::memcpy(&bits, &x, 4);
    return bits;
}

RAVINE_ELEMENTARY float float_of(int32_t bits) {
    float x;
    std::memcpy(&x, &bits, 4);
    return x;
}

// 2^n for n in [-126, 127].
RAVINE_ELEMENTARY float power_of_two(int32_t n) { return float_of((n + 127) << 23); }

// Written so that NaN comes back out.
RAVINE_ELEMENTARY float between(float x, float low, float high) {
    x = x < low ? low : x;
    return x > high ? high : x;
}

// x = n ln 2 + r with |r| <= ln 2 / 2. Adding 1.5 * 2^23 rounds to the nearest integer, which then stands in the lowest bits.
struct Halved {
    int32_t n;
    float r;
};

RAVINE_ELEMENTARY Halved halved(float x) {
    constexpr float ROUND = 12582912.0f;
    const float shifted = x * 1.44269504f + ROUND, n = shifted - ROUND;
    const float r = (x - n * 0.693145752f) - n * 1.42860677e-6f;  // ln 2 in two parts, the first with 15 bits: n times it is exact
    return {bits_of(shifted) - bits_of(ROUND), r};
}

// e^r - 1 = r + r^2 q(r)
RAVINE_ELEMENTARY float exp_minus_one(float r) {
    float q = 0.00139504892f;
    q = q * r + 0.0083688898f;
    q = q * r + 0.041666206f;
    q = q * r + 0.166665182f;
    q = q * r + 0.5f;
    return q * (r * r) + r;
}

RAVINE_ELEMENTARY float r_exp(float x) {
    const Halved at = halved(between(x, -104.0f, 89.0f));
    const int32_t half = at.n >> 1;  // two factors, since 2^128 and 2^-149 are no normal numbers
    return (exp_minus_one(at.r) + 1.0f) * power_of_two(half) * power_of_two(at.n - half);
}

RAVINE_ELEMENTARY float r_expm1(float x) {
    const Halved at = halved(between(x, -80.0f, 89.0f));
    const float scale = power_of_two(at.n - 1);
    const float result = 2.0f * (scale * exp_minus_one(at.r) + (scale - 0.5f));
    return x == 0.0f ? x : result;  // keeps -0
}

RAVINE_ELEMENTARY float r_sigmoid(float x) { return 1.0f / (1.0f + r_exp(-x)); }

// x P(x^2) / Q(x^2); from 9.02 on tanh rounds to 1.
RAVINE_ELEMENTARY float r_tanh(float x) {
    const float at = between(x, -9.1f, 9.1f), s = at * at;
    float p = 1.31771091e-8f, q = 7.70390728e-7f;
    p = p * s + 2.04809391e-5f;
    q = q * s + 0.000327289525f;
    p = p * s + 0.00348779593f;
    q = q * s + 0.0258473313f;
    p = p * s + 0.133744626f;
    q = q * s + 0.467077764f;
    p = p * s + 0.999999977f;
    q = q * s + 1.0f;
    const float result = at * p / q;
    return x > 9.02f ? 1.0f : x < -9.02f ? -1.0f : result;
}

// x P(x^2) / Q(x^2); from 3.92 on erf rounds to 1.
RAVINE_ELEMENTARY float r_erf(float x) {
    const float at = between(x, -4.0f, 4.0f), s = at * at;
    float p = 1.98678696e-6f, q = 3.7419883e-5f;
    p = p * s + 0.000284559473f;
    q = q * s + 0.00118552095f;
    p = p * s + 0.00388315392f;
    q = q * s + 0.0152068731f;
    p = p * s + 0.053101155f;
    q = q * s + 0.115348259f;
    p = p * s + 0.193540953f;
    q = q * s + 0.504853761f;
    p = p * s + 1.12837914f;
    q = q * s + 1.0f;
    const float result = at * p / q;
    return x > 3.92f ? 1.0f : x < -3.92f ? -1.0f : result;
}

// x = 2^exponent (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)); numbers below the normal ones are scaled up first.
struct Parted {
    int32_t exponent;
    float f;
};

RAVINE_ELEMENTARY Parted parted(float x) {
    const bool tiny = x < 1.17549435e-38f;
    const int32_t bits = bits_of(tiny ? x * 8388608.0f : x), exponent = (bits - 0x3f3504f3) >> 23;
    return {exponent - (tiny ? 23 : 0), float_of(bits - (exponent << 23)) - 1.0f};
}

// log(1 + f) = f - f^2 / 2 + f^3 p(f)
RAVINE_ELEMENTARY float r_log(float x) {
    const Parted at = parted(x);
    const float f = at.f, n = float(at.exponent);
    float p = -0.0785954595f;
    p = p * f + 0.128816217f;
    p = p * f - 0.131287679f;
    p = p * f + 0.141811967f;
    p = p * f - 0.166245535f;
    p = p * f + 0.200022861f;
    p = p * f - 0.250008106f;
    p = p * f + 0.333333164f;
    const float square = f * f, low = p * (f * square) - 0.5f * square + n * 1.42860677e-6f;
    const float result = n * 0.693145752f + (f + low);
    const float special = x == 0.0f ? -INFINITE : x < 0.0f ? NO_NUMBER : x;
    return x > 0.0f && x < INFINITE ? result : special;
}

// The rounding of 1 + x is made good to first order.
RAVINE_ELEMENTARY float r_log1p(float x) {
    const float u = 1.0f + x, result = r_log(u) + (x - (u - 1.0f)) / u;
    const float special = x == -1.0f ? -INFINITE : x < -1.0f ? NO_NUMBER : x;
    return x > -1.0f && x < INFINITE && x != 0.0f ? result : special;
}

// Quadrant and remainder of x / (pi / 2), in float64: good to float's last bits up to |x| = 1e12; beyond it a number in [-1, 1] comes out.
RAVINE_ELEMENTARY float sine_of(float x, int32_t quadrants) {
    constexpr double ROUND = 6755399441055744.0;
    const double wide = x, shifted = wide * 0.63661977236758134 + ROUND, n = shifted - ROUND;
    // pi / 2 in two parts, the first with 33 bits: its product with n is exact even where there is no fused multiply-add.
    const float r = between(float((wide - n * 1.57079632673412561417) - n * 6.07710050650619224932e-11), -0.79f, 0.79f);
    const int32_t quadrant = quadrants + int32_t(n - 4.0 * math::floor(0.25 * n));
    const float s = r * r;
    const float sine = ((-0.000195166562f * s + 0.00833217334f) * s - 0.166666552f) * (s * r) + r;
    const float cosine = ((2.44377297e-5f * s - 0.00138873619f) * s + 0.0416666456f) * (s * s) + (1.0f - 0.5f * s);
    const float chosen = quadrant & 1 ? cosine : sine;
    return quadrant & 2 ? -chosen : chosen;
}

RAVINE_ELEMENTARY float r_sin(float x) {
    const float result = x == 0.0f ? x : sine_of(x, 0);  // keeps -0
    return x - x == 0.0f ? result : NO_NUMBER;
}

RAVINE_ELEMENTARY float r_cos(float x) {
    const float result = sine_of(x, 1);
    return x - x == 0.0f ? result : NO_NUMBER;
}

// log |x| in float64, by the series of artanh: the exponent multiplies its error by up to 100.
RAVINE_ELEMENTARY double wide_log(float x) {
    const Parted at = parted(x);
    const double f = at.f, s = f / (2.0 + f), square = s * s;
    double p = 1.0 / 13;
    p = p * square + 1.0 / 11;
    p = p * square + 1.0 / 9;
    p = p * square + 1.0 / 7;
    p = p * square + 0.2;
    p = p * square + 1.0 / 3;
    p = p * square + 1.0;
    return at.exponent * 0.69314718055994531 + 2.0 * s * p;
}

RAVINE_ELEMENTARY float wide_exp(double z) {
    z = z < -104.0 ? -104.0 : z;
    z = z > 89.0 ? 89.0 : z;
    const double n = math::floor(z * 1.4426950408889634 + 0.5), r = z - n * 0.69314718055994531;
    double p = 1.0 / 40320;
    p = p * r + 1.0 / 5040;
    p = p * r + 1.0 / 720;
    p = p * r + 1.0 / 120;
    p = p * r + 1.0 / 24;
    p = p * r + 1.0 / 6;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    const int32_t whole = z == z ? int32_t(n) : 0, half = whole >> 1;
    return float(p) * power_of_two(half) * power_of_two(whole - half);
}

// C's rules: x^0 and 1^y are 1 even for NaN; a negative base needs a whole exponent.
RAVINE_ELEMENTARY float r_pow(float x, float y) {
    const float size = math::fabs(x);
    const double log = size == 0.0f ? -double(INFINITE) : size < INFINITE ? wide_log(size) : double(size);
    const float power = size == 1.0f ? 1.0f : wide_exp(double(y) * log);
    const bool is_whole = math::floor(y) == y, is_odd = is_whole && math::floor(0.5f * y) != 0.5f * y;
    const bool is_negative = bits_of(x) < 0 && x == x;
    const float turned = is_odd && is_negative ? -power : power;
    const float real = x < 0.0f && !is_whole && size < INFINITE ? NO_NUMBER : turned;
    const float known = x != x || y != y ? x + y : real;
    return y == 0.0f || x == 1.0f ? 1.0f : known;
}

// Remainders have the sign of the dividend (fmod) or of the divisor (Python's and torch's).
RAVINE_ELEMENTARY float r_fmod(float x, float y) { return math::fmod(x, y); }
RAVINE_ELEMENTARY double r_fmod(double x, double y) { return math::fmod(x, y); }
RAVINE_ELEMENTARY int64_t r_fmod(int64_t x, int64_t y) { return x % y; }
template <class T>
RAVINE_ELEMENTARY T r_remainder(T x, T y) {
    const T rest = r_fmod(x, y);
    return rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest;
}

RAVINE_ELEMENTARY double r_exp(double x) { return math::exp(x); }
RAVINE_ELEMENTARY double r_expm1(double x) { return math::expm1(x); }
RAVINE_ELEMENTARY double r_log(double x) { return math::log(x); }
RAVINE_ELEMENTARY double r_log1p(double x) { return math::log1p(x); }
RAVINE_ELEMENTARY double r_tanh(double x) { return math::tanh(x); }
RAVINE_ELEMENTARY double r_erf(double x) { return math::erf(x); }
RAVINE_ELEMENTARY double r_sin(double x) { return math::sin(x); }
RAVINE_ELEMENTARY double r_cos(double x) { return math::cos(x); }
RAVINE_ELEMENTARY double r_pow(double x, double y) { return math::pow(x, y); }
RAVINE_ELEMENTARY double r_sigmoid(double x) { return 1.0 / (1.0 + math::exp(-x)); }

}  // namespace
