// The table of kernels for each element type: what the shared library exports. With RAVINE_F32_ONLY or RAVINE_F64_ONLY defined it holds one
// of the two, which builds in half the time.
#include "kernels.h"

#include "convolution_weight.h"
#include "pooling.h"

namespace {

template <class T>
constexpr Kernels<T> KERNELS = {
    product_scratch<T>, product<T>, convolution_scratch<T>, convolution<T>, convolution_input<T>, convolution_weight<T>,
    max_pool<T>, max_pool_input<T>, average_pool<T>, average_pool_input<T>,
};

}  // namespace

#ifndef RAVINE_F64_ONLY
extern "C" __attribute__((visibility("default"))) const Kernels<float>* ravine_kernels_f32() { return &KERNELS<float>; }
#endif
#ifndef RAVINE_F32_ONLY
extern "C" __attribute__((visibility("default"))) const Kernels<double>* ravine_kernels_f64() { return &KERNELS<double>; }
#endif
