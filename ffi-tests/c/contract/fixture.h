/* What most of the programs start from: a codec for one segment, a workspace, and rows that are the same on
 * every run. */
#ifndef FIXTURE_H
#define FIXTURE_H

#include <stdlib.h>
#include <string.h>

#include "check.h"

enum { ROWS = 48, DIM = 32, VALUES = ROWS * DIM };

typedef struct {
    kakeya_params params;
    kakeya_segment segment;
    kakeya_layout layout;
    kakeya_codec *codec;
    kakeya_workspace *workspace;
} fixture;

/* The defaults for one segment of `dim` coordinates, nothing created yet. */
static inline void fixture_defaults(fixture *f, uint32_t preset, size_t dim) {
    memset(f, 0, sizeof *f);
    CHECK_OK(kakeya_params_init(&f->params, sizeof f->params));
    CHECK_OK(kakeya_segment_init(&f->segment, sizeof f->segment));
    CHECK_OK(kakeya_layout_init(&f->layout, sizeof f->layout));
    f->params.preset = preset;
    f->segment.dim = dim;
    f->layout.n_segments = 1;
    f->layout.segments = &f->segment;
}

/* Creates codec and workspace; a program cannot go on without them. */
static inline void fixture_create(fixture *f, size_t max_rows) {
    CHECK_OK(kakeya_codec_create(&f->params, &f->layout, NULL, &f->codec));
    CHECK_OK(kakeya_workspace_create(f->codec, max_rows, &f->workspace));
    if (f->codec == NULL || f->workspace == NULL) {
        exit(check_report());
    }
}

static inline void fixture_open(fixture *f, uint32_t preset) {
    fixture_defaults(f, preset, DIM);
    fixture_create(f, ROWS);
}

static inline void fixture_close(fixture *f) {
    kakeya_workspace_free(f->workspace);
    kakeya_codec_free(f->codec);
}

/* Multiples of 1/32 in (-2, 2), roughly bell-shaped: f16 and bf16 hold them exactly. */
static inline void fill(float *x, size_t n, uint32_t seed) {
    for (size_t i = 0; i < n; i++) {
        int32_t sum = 0;
        for (int k = 0; k < 4; k++) {
            seed = seed * 1664525u + 1013904223u;
            sum += (int32_t)(seed >> 27);
        }
        x[i] = (float)(sum - 62) / 32.0f;
    }
}

/* A view of f32 rows that lie behind each other. */
static inline kakeya_view view_of(const float *data, size_t dim) {
    kakeya_view view;
    CHECK_OK(kakeya_view_init(&view, sizeof view));
    view.data = data;
    view.row_stride = (ptrdiff_t)dim;
    return view;
}

static inline kakeya_view_mut view_mut_of(float *data, size_t dim) {
    kakeya_view_mut view;
    CHECK_OK(kakeya_view_mut_init(&view, sizeof view));
    view.data = data;
    view.row_stride = (ptrdiff_t)dim;
    return view;
}

static inline kakeya_rows rows_of(const kakeya_view *views, size_t n_rows) {
    kakeya_rows rows;
    CHECK_OK(kakeya_rows_init(&rows, sizeof rows));
    rows.n_rows = n_rows;
    rows.views = views;
    return rows;
}

static inline kakeya_rows_mut rows_mut_of(const kakeya_view_mut *views, size_t n_rows) {
    kakeya_rows_mut rows;
    CHECK_OK(kakeya_rows_mut_init(&rows, sizeof rows));
    rows.n_rows = n_rows;
    rows.views = views;
    return rows;
}

/* Memory of exactly `size` bytes on the heap, where a checker sees a step beyond its end. */
static inline void *take(size_t size) {
    void *memory = calloc(size == 0 ? 1 : size, 1);
    if (memory == NULL) {
        printf("out of memory\n");
        exit(1);
    }
    return memory;
}

/* Encodes `n_rows` rows into a block of exactly its own size, to be freed. */
static inline unsigned char *encode_rows(const fixture *f, const float *x, size_t n_rows, size_t *length) {
    size_t bound = 0;
    const kakeya_view view = view_of(x, f->segment.dim);
    const kakeya_rows rows = rows_of(&view, n_rows);
    CHECK_OK(kakeya_encode_bound(f->codec, n_rows, &bound));
    unsigned char *scratch = take(bound);
    *length = 0;
    CHECK_OK(kakeya_encode(f->codec, f->workspace, &rows, scratch, bound, length));
    CHECK(*length > 0 && *length <= bound);
    unsigned char *block = take(*length);
    memcpy(block, scratch, *length);
    free(scratch);
    return block;
}

/* Relative squared error of `y` against `x`. */
static inline double relative_error(const float *x, const float *y, size_t n) {
    double error = 0.0;
    double energy = 0.0;
    for (size_t i = 0; i < n; i++) {
        const double difference = (double)x[i] - (double)y[i];
        error += difference * difference;
        energy += (double)x[i] * (double)x[i];
    }
    return energy > 0.0 ? error / energy : error;
}

#endif
