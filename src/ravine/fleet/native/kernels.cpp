// The table of kernels for each element type: what the shared library exports. With RAVINE_F32_ONLY or RAVINE_F64_ONLY defined it holds one
// of the two, which builds in half the time; with RAVINE_PRODUCTS_ONLY all entries but those of products are null, a third of it again.
#include "kernels.h"

#include "product.h"
#ifndef RAVINE_PRODUCTS_ONLY
#include "convolution_weight.h"
#include "pooling.h"
#endif

namespace {

template <class T>
constexpr Kernels<T> KERNELS = {
    product_scratch<T>, product<T>,
#ifndef RAVINE_PRODUCTS_ONLY
    convolution_scratch<T>, convolution<T>, convolution_input<T>, convolution_weight<T>,
    max_pool<T>, max_pool_input<T>, average_pool<T>, average_pool_input<T>,
#endif
};

}  // namespace

#ifndef RAVINE_F64_ONLY
extern "C" __attribute__((visibility("default"))) const Kernels<float>* ravine_kernels_f32() { return &KERNELS<float>; }
#endif
#ifndef RAVINE_F32_ONLY
extern "C" __attribute__((visibility("default"))) const Kernels<double>* ravine_kernels_f64() { return &KERNELS<double>; }
#endif
