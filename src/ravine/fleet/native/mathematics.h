// The C library's mathematics, overloaded for float and double through the compiler's own names for it. <cmath> declares the same, and
// reading it takes longer than all that most generated functions need besides.
#pragma once

#ifndef INFINITY
#define INFINITY __builtin_inff()
#endif
#ifndef NAN
#define NAN __builtin_nanf("")
#endif

namespace {
namespace math {

// Integers, and operands of two types, are computed in double, as <cmath> has it.
#define RAVINE_UNARY(name)                                                                    \
    inline float name(float x) { return __builtin_##name##f(x); }                             \
    inline double name(double x) { return __builtin_##name(x); }                              \
    template <class T>                                                                        \
    inline double name(T x) {                                                                 \
        return __builtin_##name(double(x));                                                   \
    }
#define RAVINE_BINARY(name)                                                                   \
    inline float name(float x, float y) { return __builtin_##name##f(x, y); }                 \
    inline double name(double x, double y) { return __builtin_##name(x, y); }                 \
    template <class S, class T>                                                               \
    inline double name(S x, T y) {                                                            \
        return __builtin_##name(double(x), double(y));                                        \
    }

RAVINE_UNARY(fabs)
RAVINE_UNARY(sqrt)
RAVINE_UNARY(floor)
RAVINE_UNARY(ceil)
RAVINE_UNARY(trunc)
RAVINE_UNARY(nearbyint)
RAVINE_UNARY(exp)
RAVINE_UNARY(exp2)
RAVINE_UNARY(expm1)
RAVINE_UNARY(log)
RAVINE_UNARY(log1p)
RAVINE_UNARY(log2)
RAVINE_UNARY(log10)
RAVINE_UNARY(sin)
RAVINE_UNARY(cos)
RAVINE_UNARY(asin)
RAVINE_UNARY(acos)
RAVINE_UNARY(atan)
RAVINE_UNARY(sinh)
RAVINE_UNARY(cosh)
RAVINE_UNARY(tanh)
RAVINE_UNARY(asinh)
RAVINE_UNARY(acosh)
RAVINE_UNARY(atanh)
RAVINE_UNARY(erf)
RAVINE_UNARY(erfc)
RAVINE_BINARY(pow)
RAVINE_BINARY(fmod)
RAVINE_BINARY(atan2)
RAVINE_BINARY(hypot)
RAVINE_BINARY(copysign)

#undef RAVINE_UNARY
#undef RAVINE_BINARY

// The largest and the smallest integer of a type.
template <class T>
constexpr T most() {
    return T(-1) > T(0) ? T(-1) : T((1ULL << (8 * sizeof(T) - 1)) - 1);
}
template <class T>
constexpr T least() {
    return T(-1) > T(0) ? T(0) : T(-most<T>() - 1);
}

}  // namespace math
}  // namespace
