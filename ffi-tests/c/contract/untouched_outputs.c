/* What a call gives back is written on success only: after a failure every output holds what it held. */
#include "fixture.h"

/* Whether `n` bytes all are `value`. */
static int all_bytes(const void *data, size_t n, unsigned char value) {
    const unsigned char *bytes = data;
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] != value) {
            return 0;
        }
    }
    return 1;
}

static void handles(const fixture *f) {
    /* Never used but as values to compare with. */
    kakeya_codec *const no_codec = (kakeya_codec *)(void *)&checks_done;
    kakeya_workspace *const no_workspace = (kakeya_workspace *)(void *)&checks_done;
    kakeya_fitter *const no_fitter = (kakeya_fitter *)(void *)&checks_done;
    kakeya_skeleton *const no_skeleton = (kakeya_skeleton *)(void *)&checks_done;
    kakeya_codec *codec = no_codec;
    kakeya_workspace *workspace = no_workspace;
    kakeya_fitter *fitter = no_fitter;
    kakeya_skeleton *skeleton = no_skeleton;
    const unsigned char bytes[64] = {0};
    size_t number = 12345;
    kakeya_params params = f->params;
    params.bits = 9.0f;
    CHECK(kakeya_codec_create(&params, &f->layout, NULL, &codec) != KAKEYA_OK);
    CHECK(codec == no_codec);
    params = f->params;
    params.preset = KAKEYA_PRESET_KAKEYA;
    codec = NULL;
    CHECK_OK(kakeya_codec_create(&params, &f->layout, NULL, &codec));
    CHECK(kakeya_workspace_create(codec, (size_t)-1, &workspace) != KAKEYA_OK);
    CHECK(workspace == no_workspace);
    CHECK(kakeya_workspace_size(codec, (size_t)-1, &number) != KAKEYA_OK);
    CHECK(number == 12345);
    kakeya_codec_free(codec);
    params.preset = KAKEYA_PRESET_TURBO;
    CHECK(kakeya_fitter_create(&params, &f->layout, &fitter) != KAKEYA_OK);
    CHECK(fitter == no_fitter);
    CHECK(kakeya_skeleton_load(bytes, sizeof bytes, &skeleton) != KAKEYA_OK);
    CHECK(skeleton == no_skeleton);
    params.preset = KAKEYA_PRESET_KAKEYA;
    CHECK_OK(kakeya_fitter_create(&params, &f->layout, &fitter));
    CHECK(kakeya_fitter_finish(fitter, NULL, 0, &skeleton) != KAKEYA_OK);
    CHECK(skeleton == no_skeleton);
    kakeya_fitter_free(fitter);
}

static void numbers(const fixture *f, const float *x) {
    const kakeya_view view = view_of(x, DIM);
    const kakeya_rows rows = rows_of(&view, ROWS);
    unsigned char dst[16];
    uint8_t fingerprint[32];
    kakeya_block_info info;
    size_t number = 12345;
    memset(dst, 0xA5, sizeof dst);
    memset(fingerprint, 0xA5, sizeof fingerprint);
    memset(&info, 0xA5, sizeof info);
    CHECK_STATUS(KAKEYA_ERR_DST_TOO_SMALL,
                 kakeya_encode(f->codec, f->workspace, &rows, dst, sizeof dst, &number));
    CHECK(number == 12345);
    CHECK(kakeya_encode_bound(f->codec, (size_t)-1, &number) != KAKEYA_OK);
    CHECK(number == 12345);
    CHECK(kakeya_codec_fingerprint(NULL, fingerprint) != KAKEYA_OK);
    CHECK(all_bytes(fingerprint, sizeof fingerprint, 0xA5));
    CHECK(kakeya_block_read_info(dst, sizeof dst, &info, sizeof info) != KAKEYA_OK);
    CHECK(all_bytes(&info, sizeof info, 0xA5));
}

static void decoded_rows(const fixture *f, const float *x) {
    size_t length = 0;
    float out[VALUES];
    const kakeya_view_mut view = view_mut_of(out, DIM);
    const kakeya_rows_mut rows = rows_mut_of(&view, ROWS);
    unsigned char *block = encode_rows(f, x, ROWS, &length);
    memset(out, 0xA5, sizeof out);
    CHECK(kakeya_decode(f->codec, f->workspace, block, length - 1, &rows) != KAKEYA_OK);
    CHECK(all_bytes(out, sizeof out, 0xA5));
    block[length / 2] ^= 1u;
    CHECK(kakeya_decode(f->codec, f->workspace, block, length, &rows) != KAKEYA_OK);
    CHECK(all_bytes(out, sizeof out, 0xA5));
    free(block);
}

int main(void) {
    fixture f;
    float x[VALUES];
    fill(x, VALUES, 2);
    fixture_open(&f, KAKEYA_PRESET_TURBO);
    handles(&f);
    numbers(&f, x);
    decoded_rows(&f, x);
    fixture_close(&f);
    return check_report();
}
