/* A program as an engine written in C would have it: encodes rows, decodes them, checks what came back. */
#include <kakeyaturbo/kakeyaturbo.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 128, DIM = 64 };

static float x[ROWS * DIM];
static float y[ROWS * DIM];

static int fail(const char *what, kakeya_status status) {
    char message[240];
    size_t length = 0;
    (void)kakeya_last_error_message(message, sizeof message, &length);
    printf("%s: %s: %s\n", what, kakeya_status_name(status), message);
    return 1;
}

static int round_trip(const kakeya_codec *codec, kakeya_workspace *workspace, const char *name) {
    kakeya_view view;
    kakeya_view_mut view_mut;
    kakeya_rows rows;
    kakeya_rows_mut rows_mut;
    kakeya_status status;
    unsigned char *block;
    size_t bound = 0;
    size_t length = 0;
    size_t i;
    double error = 0.0;
    double energy = 0.0;
    if (kakeya_view_init(&view, sizeof view) != KAKEYA_OK || kakeya_rows_init(&rows, sizeof rows) != KAKEYA_OK ||
        kakeya_view_mut_init(&view_mut, sizeof view_mut) != KAKEYA_OK ||
        kakeya_rows_mut_init(&rows_mut, sizeof rows_mut) != KAKEYA_OK) {
        return fail("init", KAKEYA_ERR_BAD_PARAM);
    }
    view.data = x;
    view.row_stride = DIM;
    rows.n_rows = ROWS;
    rows.views = &view;
    view_mut.data = y;
    view_mut.row_stride = DIM;
    rows_mut.n_rows = ROWS;
    rows_mut.views = &view_mut;

    status = kakeya_encode_bound(codec, ROWS, &bound);
    if (status != KAKEYA_OK) {
        return fail("bound", status);
    }
    block = malloc(bound);
    if (block == NULL) {
        return fail("memory", KAKEYA_ERR_OUT_OF_MEMORY);
    }
    status = kakeya_encode(codec, workspace, &rows, block, bound, &length);
    if (status == KAKEYA_OK) {
        status = kakeya_decode(codec, workspace, block, length, &rows_mut);
    }
    free(block);
    if (status != KAKEYA_OK) {
        return fail("round trip", status);
    }
    for (i = 0; i < ROWS * DIM; i++) {
        const double difference = (double)x[i] - (double)y[i];
        error += difference * difference;
        energy += (double)x[i] * (double)x[i];
    }
    printf("%s round trip: %d values in %zu bytes, relative squared error %.4f\n", name, ROWS * DIM, length,
           error / energy);
    /* Half the size at the most: a small block that carries its own basis is far from its best. */
    return length < sizeof x / 2 && error < 0.02 * energy ? 0 : 1;
}

static int with_preset(uint32_t preset, const char *name) {
    kakeya_params params;
    kakeya_segment segment;
    kakeya_layout layout;
    kakeya_codec *codec = NULL;
    kakeya_workspace *workspace = NULL;
    kakeya_status status;
    int failed;
    if (kakeya_params_init(&params, sizeof params) != KAKEYA_OK ||
        kakeya_segment_init(&segment, sizeof segment) != KAKEYA_OK ||
        kakeya_layout_init(&layout, sizeof layout) != KAKEYA_OK) {
        return fail("init", KAKEYA_ERR_BAD_PARAM);
    }
    params.preset = preset;
    segment.dim = DIM;
    layout.n_segments = 1;
    layout.segments = &segment;
    status = kakeya_codec_create(&params, &layout, NULL, &codec);
    if (status == KAKEYA_OK) {
        status = kakeya_workspace_create(codec, ROWS, &workspace);
    }
    failed = status == KAKEYA_OK ? round_trip(codec, workspace, name) : fail("create", status);
    kakeya_workspace_free(workspace);
    kakeya_codec_free(codec);
    return failed;
}

int main(void) {
    uint32_t seed = 1;
    size_t i;
    int k;
    for (i = 0; i < ROWS * DIM; i++) {
        /* The sum of four uniform numbers is bell-shaped enough. */
        for (k = 0; k < 4; k++) {
            seed = seed * 1664525u + 1013904223u;
            x[i] += (float)(seed >> 8) / 16777216.0f - 0.5f;
        }
    }
    return with_preset(KAKEYA_PRESET_TURBO, "turbo") + with_preset(KAKEYA_PRESET_KAKEYA, "kakeya");
}
