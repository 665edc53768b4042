// State in 8 bits, as ravine.optim.quantised has it: blocks of 256 share a scale, the largest magnitude.
//     signed    x = scale k |k| / 127^2        unsigned    x = scale k^4 / 255^4, and what is above 0 stays there
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#ifdef __AVX2__
#include <immintrin.h>
#endif

namespace {

const long BLOCK = 256;

void open_signed(const int8_t* codes, const float* scales, float* values, long n) {
    for (long b = 0; b < n; b += BLOCK) {
        const float unit = scales[b / BLOCK] * (1.0f / 16129);
#pragma omp simd
        for (long i = 0; i < BLOCK; ++i) {
            const float k = (float)(int)codes[b + i];
            values[b + i] = k * std::fabs(k) * unit;
        }
    }
}

void open_unsigned(const uint8_t* codes, const float* scales, float* values, long n) {
    for (long b = 0; b < n; b += BLOCK) {
        const float unit = scales[b / BLOCK] * (1.0f / 4228250625.0f);
#pragma omp simd
        for (long i = 0; i < BLOCK; ++i) {
            const float k = (float)(int)codes[b + i], square = k * k;
            values[b + i] = square * square * unit;
        }
    }
}

// The largest magnitude, or what is not a number if there is such a value: as whole numbers, magnitudes are in order and NaN above all.
float largest(const float* values) {
    int32_t most = 0;
#pragma omp simd reduction(max : most)
    for (long i = 0; i < BLOCK; ++i) {
        int32_t bits;
        std::memcpy(&bits, values + i, 4);
        bits &= 0x7fffffff;
        most = bits > most ? bits : most;
    }
    float value;
    std::memcpy(&value, &most, 4);
    return value;
}

#ifdef __AVX2__
// Four times eight whole numbers as bytes, in order.
template <bool SIGNED>
inline void pack(__m256i a, __m256i b, __m256i c, __m256i d, void* target) {
    const __m256i low = _mm256_packs_epi32(a, b), high = _mm256_packs_epi32(c, d);
    const __m256i bytes = SIGNED ? _mm256_packs_epi16(low, high) : _mm256_packus_epi16(low, high);
    _mm256_storeu_si256((__m256i*)target, _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
}

// The fourth root of what is at least 1e-30: two reciprocal roots of twelve bits, and Newton's step for z^4 = x with 1 / z^3 from the first of them.
inline __m256 fourth_root(__m256 x) {
    const __m256 s = _mm256_rsqrt_ps(x), z = _mm256_rsqrt_ps(s), square = _mm256_mul_ps(z, z);
    const __m256 slope = _mm256_mul_ps(_mm256_mul_ps(s, s), _mm256_mul_ps(z, _mm256_set1_ps(0.25f)));
    return _mm256_fmadd_ps(_mm256_fnmadd_ps(square, square, x), slope, z);
}

template <bool SIGNED>
inline __m256i code(const float* value, __m256 inverse) {
    const __m256 sign = _mm256_set1_ps(-0.0f), share = _mm256_mul_ps(_mm256_loadu_ps(value), inverse);
    if (SIGNED) {
        const __m256 size = _mm256_mul_ps(_mm256_sqrt_ps(_mm256_andnot_ps(sign, share)), _mm256_set1_ps(127));
        return _mm256_cvtps_epi32(_mm256_or_ps(size, _mm256_and_ps(sign, share)));
    }
    const __m256 above = _mm256_cmp_ps(share, _mm256_setzero_ps(), _CMP_GT_OQ);
    const __m256 size = _mm256_mul_ps(fourth_root(_mm256_max_ps(share, _mm256_set1_ps(1e-30f))), _mm256_set1_ps(255));
    return _mm256_cvtps_epi32(_mm256_and_ps(above, _mm256_max_ps(size, _mm256_set1_ps(1))));
}

template <bool SIGNED>
void close_block(const float* values, void* codes, float inverse) {
    const __m256 by = _mm256_set1_ps(inverse);
    for (long i = 0; i < BLOCK; i += 32)
        pack<SIGNED>(code<SIGNED>(values + i, by), code<SIGNED>(values + i + 8, by), code<SIGNED>(values + i + 16, by),
                     code<SIGNED>(values + i + 24, by), (char*)codes + i);
}
#else
template <bool SIGNED>
void close_block(const float* values, void* codes, float inverse) {
    float roots[BLOCK];
#pragma omp simd
    for (long i = 0; i < BLOCK; ++i) {
        const float share = values[i] * inverse, size = std::sqrt(std::fabs(share)), least = share > 0 ? 1.0f : 0.0f;
        const float fourth = std::nearbyint(std::sqrt(size) * 255);
        roots[i] = SIGNED ? std::nearbyint(std::copysign(size * 127, share)) : fourth > least ? fourth : least;
    }
#pragma omp simd
    for (long i = 0; i < BLOCK; ++i) ((uint8_t*)codes)[i] = (uint8_t)(int)roots[i];
}
#endif

template <bool SIGNED>
void close_codes(const float* values, void* codes, float* scales, long n) {
    for (long b = 0; b < n; b += BLOCK) {
        const float scale = largest(values + b);
        scales[b / BLOCK] = scale;
        close_block<SIGNED>(values + b, (char*)codes + b, scale > 1e-37f ? 1 / scale : 0);
    }
}

}  // namespace
