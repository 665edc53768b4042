// A loop around generated functions, the steps of one lane: gather the batch, compute the gradient, update, and commit the step if everything is
// finite.
//
// The lane's state exists twice, in the lane's own memory (side 0) and in memory that all lanes share (side 1). A step reads one side and
// writes the other, so that a step that produced a non-finite number is dropped by not changing sides.
#include <cstdint>
#include <cstring>

typedef void (*Function)(long n, void* const* in, void* const* out, char* scratch, const void* kernels);

struct Stream {  // an input that moves on with every step
    long slot;
    const char* base;
    long stride;  // bytes
};

struct Gather {  // rows of a data set, copied into the batch
    long slot;
    const char* base;
    long row;  // bytes
    char* target;
};

struct Copy {
    char* target;
    const char* source;
    long bytes;
};

struct Job {
    long batch, n, element;  // element: bytes of the floating type, 4 or 8
    Function gradient, update;
    void **gradient_in[2], **gradient_out[2], **update_in[2], **update_out[2];
    long num_gathers, num_gradient_streams, num_update_streams, num_copies;
    const Gather* gathers;
    const Stream *gradient_streams, *update_streams;
    const Copy* copies;  // side 1 to side 0
    const int64_t* rows;  // (steps, batch)
    const void *loss, *wrong;
    char* losses;     // (steps)
    uint8_t* finite;  // (steps)
    char* scratch;
    const void* kernels;
};

static inline double read(const void* place, long element) { return element == 4 ? *(const float*)place : *(const double*)place; }

// Returns the number of steps taken; fewer than asked for if the last one was not finite.
static long run(const Job* job, long steps) {
    long side = 0, step = 0;
    for (; step < steps; ++step) {
        void** in = job->gradient_in[side];
        for (long i = 0; i < job->num_gathers; ++i) {
            const Gather& g = job->gathers[i];
            const int64_t* rows = job->rows + step * job->batch;
            if (g.row == 8) {
                for (long r = 0; r < job->batch; ++r) ((int64_t*)g.target)[r] = ((const int64_t*)g.base)[rows[r]];
            } else {
                for (long r = 0; r < job->batch; ++r) memcpy(g.target + r * g.row, g.base + rows[r] * g.row, g.row);
            }
            in[g.slot] = g.target;
        }
        for (long i = 0; i < job->num_gradient_streams; ++i) {
            const Stream& s = job->gradient_streams[i];
            in[s.slot] = (void*)(s.base + step * s.stride);
        }
        job->gradient(job->n, in, job->gradient_out[side], job->scratch, job->kernels);
        for (long i = 0; i < job->num_update_streams; ++i) {
            const Stream& s = job->update_streams[i];
            job->update_in[side][s.slot] = (void*)(s.base + step * s.stride);
        }
        job->update(job->n, job->update_in[side], job->update_out[side], job->scratch, job->kernels);
        memcpy(job->losses + step * job->element, job->loss, job->element);
        const bool finite = __builtin_isfinite(read(job->loss, job->element)) && read(job->wrong, job->element) == 0;
        job->finite[step] = finite;
        if (!finite) break;
        side ^= 1;
    }
    if (side)
        for (long i = 0; i < job->num_copies; ++i) memcpy(job->copies[i].target, job->copies[i].source, job->copies[i].bytes);
    return step;
}

// All steps of a lane before the next lane: its state stays in the cache.
extern "C" __attribute__((visibility("default"))) void ravine_run(const Job* const* jobs, long count, long steps, long* taken) {
    for (long i = 0; i < count; ++i) taken[i] = run(jobs[i], steps);
}
