// A loop around a generated function, one update of many tensors in place, by one thread or several, a piece at a time. A function that may write
// what it reads (`direct`) does so; what another gives goes into memory that stays in the first cache and is copied back. Either way main memory is
// read and written once.
#include "codes.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <system_error>
#include <thread>
#include <vector>

typedef void (*Function)(long n, void* const* in, void* const* out, char* scratch, const void* kernels);

struct Update {
    Function function;
    long count;
    const long* sizes;     // of the tensors
    char* const* places;   // for each tensor, of its value, its gradient and its slots
    const uint8_t* kinds;  // of each of them: 0 as it is, 1 signed and 2 unsigned 8-bit codes
    float* const* scales;  // of the codes, in the same order
    long fields, element;  // element: bytes of the floating type, 4 or 8
    long piece, direct;
    const void* kernels;
};

struct Desk {         // what one thread works in
    void **in, **out;  // the function's pointers, filled in here but for the scalars' and the last output's
    char* results;
    float* open;        // values of codes
    const void* wrong;  // the last output: whether a value was not finite
    char* scratch;
};

namespace {

const long GRAIN = 1024;  // elements; threads meet at whole blocks of codes and whole cache lines

void take(const Update& u, const Desk& d, long tensor, long start, long n) {
    char* const* place = u.places + tensor * u.fields;
    const uint8_t* kind = u.kinds + tensor * u.fields;
    float* const* scale = u.scales + tensor * u.fields;
    for (long f = 0; f < u.fields; ++f) {
        float* opened = d.open + f * u.piece;
        d.in[f] = kind[f] ? (void*)opened : place[f] + start * u.element;
        if (kind[f] == 1) open_signed((const int8_t*)place[f] + start, scale[f] + start / BLOCK, opened, n);
        if (kind[f] == 2) open_unsigned((const uint8_t*)place[f] + start, scale[f] + start / BLOCK, opened, n);
    }
    for (long f = 0, o = 0; f < u.fields; f += f ? 1 : 2, ++o) d.out[o] = u.direct && !kind[f] ? d.in[f] : d.results + o * u.piece * u.element;
    u.function(n, d.in, d.out, d.scratch, u.kernels);
    if (!u.direct) memcpy(d.in[0], d.out[0], n * u.element);
    for (long f = 2; f < u.fields; ++f) {
        const float* values = (const float*)d.out[f - 1];
        if (kind[f] == 0 && !u.direct) memcpy(d.in[f], d.out[f - 1], n * u.element);
        if (kind[f] == 1) close_codes<true>(values, place[f] + start, scale[f] + start / BLOCK, n);
        if (kind[f] == 2) close_codes<false>(values, place[f] + start, scale[f] + start / BLOCK, n);
    }
}

// Where a boundary between threads falls in a tensor that begins at `first`.
long boundary(long at, long first, long size) {
    const long inside = at <= first ? 0 : (at - first + GRAIN - 1) / GRAIN * GRAIN;
    return inside < size ? inside : size;
}

// Elements `from` to `to` of all tensors laid end to end; how many pieces had a value that was not finite.
void update(const Update& u, const Desk& d, long from, long to, long* bad) {
    for (long i = 0, first = 0; i < u.count; first += u.sizes[i++]) {
        const long stop = boundary(to, first, u.sizes[i]);
        for (long start = boundary(from, first, u.sizes[i]); start < stop; start += u.piece) {
            take(u, d, i, start, stop - start < u.piece ? stop - start : u.piece);
            *bad += (u.element == 4 ? *(const float*)d.wrong : *(const double*)d.wrong) != 0;
        }
    }
}

}  // namespace

// Returns how many pieces had a value that was not finite.
extern "C" __attribute__((visibility("default"))) long ravine_update(const Update* u, const Desk* desks, long threads) {
    long total = 0, found = 0;
    for (long i = 0; i < u->count; ++i) total += u->sizes[i];
    std::vector<long> bad(threads, 0);
    std::vector<std::thread> others;
    for (long t = 1; t < threads; ++t) {
        const long from = total / threads * t, to = t + 1 == threads ? total : total / threads * (t + 1);
        try {
            others.emplace_back(update, std::cref(*u), std::cref(desks[t]), from, to, &bad[t]);
        } catch (const std::system_error&) {  // the machine gives no more threads
            update(*u, desks[0], from, to, &bad[t]);
        }
    }
    update(*u, desks[0], 0, threads == 1 ? total : total / threads, &bad[0]);
    for (std::thread& other : others) other.join();
    for (long each : bad) found += each;
    return found;
}

// Adds to step counts; returns what all of them are then, or NaN if they differ.
extern "C" __attribute__((visibility("default"))) float ravine_count(float* const* counts, long count, float number) {
    bool same = true;
    for (long i = 0; i < count; ++i) {
        *counts[i] += number;
        same = same && *counts[i] == *counts[0];
    }
    return same && count ? *counts[0] : NAN;
}
