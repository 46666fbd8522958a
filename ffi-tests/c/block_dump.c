/* Prints the header of one block of each preset, and the bytes it begins with. The rows are integers times a power
 * of two and the tier is the scalar one, so that every machine prints the same. A fitted basis may differ in its last
 * bits from machine to machine: of that block only what comes before the first checksum is shown. */
#include <inttypes.h>
#include <kakeyaturbo/kakeyaturbo.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 40, DIM = 64, CAP = 65536 };

static float x[ROWS * DIM];
static unsigned char block[CAP];

static void need(kakeya_status status, const char *what) {
    char message[240];
    size_t length = 0;
    if (status != KAKEYA_OK) {
        (void)kakeya_last_error_message(message, sizeof message, &length);
        printf("%s: %s: %s\n", what, kakeya_status_name(status), message);
        exit(1);
    }
}

static size_t encode(uint32_t preset) {
    kakeya_params params;
    kakeya_segment segment;
    kakeya_layout layout;
    kakeya_view view;
    kakeya_rows rows;
    kakeya_codec *codec = NULL;
    kakeya_workspace *workspace = NULL;
    size_t length = 0;
    need(kakeya_params_init(&params, sizeof params), "params");
    need(kakeya_segment_init(&segment, sizeof segment), "segment");
    need(kakeya_layout_init(&layout, sizeof layout), "layout");
    need(kakeya_view_init(&view, sizeof view), "view");
    need(kakeya_rows_init(&rows, sizeof rows), "rows");
    params.preset = preset;
    params.max_protected = 2;
    params.cpu_tier = KAKEYA_CPU_TIER_SCALAR;
    segment.dim = DIM;
    segment.raw_dtype = KAKEYA_DTYPE_F16;
    layout.n_segments = 1;
    layout.segments = &segment;
    view.data = x;
    view.row_stride = DIM;
    rows.n_rows = ROWS;
    rows.views = &view;
    need(kakeya_codec_create(&params, &layout, NULL, &codec), "codec");
    need(kakeya_workspace_create(codec, ROWS, &workspace), "workspace");
    need(kakeya_encode(codec, workspace, &rows, block, sizeof block, &length), "encode");
    kakeya_workspace_free(workspace);
    kakeya_codec_free(codec);
    return length;
}

static void print(const char *name, size_t length, size_t shown) {
    kakeya_block_info info;
    need(kakeya_block_read_info(block, length, &info, sizeof info), "info");
    printf("%s\n", name);
    printf("  version %" PRIu32 ", preset %" PRIu32 ", distortion %" PRIu32 ", flags %" PRIu32 "\n", info.version,
           info.preset, info.distortion, info.flags);
    printf("  rows %zu, dim %zu, rank %zu, centres %zu, bits %" PRIu32 ", protected %" PRIu32 "\n", info.n_rows,
           info.dim, info.rank, info.n_centres, info.bits, info.n_protected);
    printf("  bytes %" PRIu64 ", raw bytes %" PRIu64 "\n", info.bytes, info.raw_bytes);
    printf("  certified error %.3g\n  fingerprint ", info.certified_error);
    for (size_t i = 0; i < sizeof info.fingerprint; i++) {
        printf("%02x", info.fingerprint[i]);
    }
    for (size_t i = 0; i < shown; i++) {
        printf("%s%02x", i % 16 == 0 ? "\n  " : " ", block[i]);
    }
    printf("\n");
}

int main(void) {
    uint32_t seed = 1;
    for (size_t i = 0; i < ROWS * DIM; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = (float)((int32_t)(seed >> 24) - 128) / 64.0f;
    }
    print("turbo", encode(KAKEYA_PRESET_TURBO), 128);
    print("kakeya", encode(KAKEYA_PRESET_KAKEYA), 36);
    return 0;
}
