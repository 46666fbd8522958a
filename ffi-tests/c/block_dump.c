/* Prints the header of one block of each preset and of a raw one, and the bytes they begin with. The rows are integers
 * times a power of two and the tier is the scalar one, so that every machine prints the same. A fitted basis may differ
 * in its last bits from machine to machine: of the block that carries one only what comes before the first checksum is
 * shown, and that of the blocks at a fixed step is the identity, written by hand. */
#include <inttypes.h>
#include <kakeyaturbo/kakeyaturbo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 40, DIM = 64, CAP = 65536 };

/* A skeleton artifact: header, variances, reach, mean, basis of halves. */
enum { MEAN = 24 + 4 * DIM, BASIS = MEAN + 4 + 4 * DIM, SKELETON = BASIS + 2 * DIM * DIM };

static float x[ROWS * DIM];
static unsigned char block[CAP];
static unsigned char artifact[SKELETON];

static void need(kakeya_status status, const char *what) {
    char message[240];
    size_t length = 0;
    if (status != KAKEYA_OK) {
        (void)kakeya_last_error_message(message, sizeof message, &length);
        printf("%s: %s: %s\n", what, kakeya_status_name(status), message);
        exit(1);
    }
}

static uint32_t crc32(uint32_t crc, const unsigned char *bytes, size_t length) {
    crc = ~crc;
    for (size_t i = 0; i < length; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1u)));
        }
    }
    return ~crc;
}

/* Little-endian. */
static void put(size_t at, size_t bytes, uint32_t value) {
    for (size_t i = 0; i < bytes; i++) {
        artifact[at + i] = (unsigned char)(value >> (8 * i));
    }
}

/* Identity basis, no mean, variances of 1, 1/4, 1/16 and so on by eight components. */
static kakeya_skeleton *skeleton(void) {
    kakeya_skeleton *loaded = NULL;
    memcpy(artifact, "KKYS", 4);
    put(8, 4, DIM);
    put(12, 4, DIM);
    for (uint32_t i = 0; i < DIM; i++) {
        put(24 + 4 * i, 4, (127 - 2 * (i / 8)) << 23);
        put(BASIS + 2 * (i * DIM + i), 2, 0x3C00);
    }
    put(20, 4, crc32(crc32(0, artifact, 20), artifact + 24, SKELETON - 24));
    need(kakeya_skeleton_load(artifact, SKELETON, &loaded), "skeleton");
    return loaded;
}

/* A step of 0 is a fixed rate. */
static size_t encode(uint32_t preset, float step) {
    kakeya_params params;
    kakeya_segment segment;
    kakeya_layout layout;
    kakeya_view view;
    kakeya_rows rows;
    kakeya_skeleton *shared = step > 0.0f ? skeleton() : NULL;
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
    params.rate_control = shared ? KAKEYA_RATE_CONTROL_STEP : KAKEYA_RATE_CONTROL_BITS;
    params.step = step;
    params.rows_per_run = 16;
    params.cpu_tier = KAKEYA_CPU_TIER_SCALAR;
    segment.dim = DIM;
    segment.raw_dtype = KAKEYA_DTYPE_F16;
    layout.n_segments = 1;
    layout.segments = &segment;
    view.data = x;
    view.row_stride = DIM;
    rows.n_rows = ROWS;
    rows.views = &view;
    need(kakeya_codec_create(&params, &layout, shared, &codec), "codec");
    need(kakeya_workspace_create(codec, ROWS, &workspace), "workspace");
    need(kakeya_encode(codec, workspace, &rows, block, sizeof block, &length), "encode");
    kakeya_workspace_free(workspace);
    kakeya_codec_free(codec);
    kakeya_skeleton_free(shared);
    return length;
}

static void print(const char *name, size_t length, size_t shown) {
    kakeya_block_info info;
    need(kakeya_block_read_info(block, length, &info, sizeof info), "info");
    printf("%s\n", name);
    printf("  version %" PRIu32 ", preset %" PRIu32 ", distortion %" PRIu32 ", flags %" PRIu32 "\n", info.version,
           info.preset, info.distortion, info.flags);
    printf("  rows %zu, dim %zu, rank %zu, centres %zu, bits %g, protected %" PRIu32 "\n", info.n_rows,
           info.dim, info.rank, info.n_centres, (double)info.bits, info.n_protected);
    printf("  step %g, rows per run %" PRIu32 "\n", (double)info.step, info.rows_per_run);
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
    print("turbo", encode(KAKEYA_PRESET_TURBO, 0.0f), 128);
    print("kakeya", encode(KAKEYA_PRESET_KAKEYA, 0.0f), 36);
    /* The later components are as small as their variances say. */
    for (size_t i = 0; i < ROWS * DIM; i++) {
        x[i] /= (float)(1 << (i % DIM / 8));
    }
    print("rdo", encode(KAKEYA_PRESET_RDO, 0.25f), 176);
    print("rdo, raw", encode(KAKEYA_PRESET_RDO, 1e-6f), 96);
    return 0;
}
