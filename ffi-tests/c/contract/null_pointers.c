/* Every pointer is checked: NULL where something is needed is KAKEYA_ERR_NULL_POINTER, and freeing NULL does
 * nothing. */
#include "fixture.h"

#define CHECK_NULL(call) CHECK_STATUS(KAKEYA_ERR_NULL_POINTER, call)

static void inits(void) {
    CHECK_NULL(kakeya_params_init(NULL, sizeof(kakeya_params)));
    CHECK_NULL(kakeya_segment_init(NULL, sizeof(kakeya_segment)));
    CHECK_NULL(kakeya_layout_init(NULL, sizeof(kakeya_layout)));
    CHECK_NULL(kakeya_view_init(NULL, sizeof(kakeya_view)));
    CHECK_NULL(kakeya_view_mut_init(NULL, sizeof(kakeya_view_mut)));
    CHECK_NULL(kakeya_rows_init(NULL, sizeof(kakeya_rows)));
    CHECK_NULL(kakeya_rows_mut_init(NULL, sizeof(kakeya_rows_mut)));
    CHECK_NULL(kakeya_encode_item_init(NULL, sizeof(kakeya_encode_item)));
    CHECK_NULL(kakeya_decode_item_init(NULL, sizeof(kakeya_decode_item)));
}

static void frees(void) {
    kakeya_codec_free(NULL);
    kakeya_workspace_free(NULL);
    kakeya_fitter_free(NULL);
    kakeya_skeleton_free(NULL);
}

static void codec(fixture *f) {
    uint8_t fingerprint[32];
    size_t size = 0;
    kakeya_codec *codec = NULL;
    kakeya_workspace *workspace = NULL;
    CHECK_NULL(kakeya_codec_create(NULL, &f->layout, NULL, &codec));
    CHECK_NULL(kakeya_codec_create(&f->params, NULL, NULL, &codec));
    CHECK_NULL(kakeya_codec_create(&f->params, &f->layout, NULL, NULL));
    CHECK_NULL(kakeya_codec_fingerprint(NULL, fingerprint));
    CHECK_NULL(kakeya_codec_fingerprint(f->codec, NULL));
    CHECK_NULL(kakeya_workspace_size(NULL, ROWS, &size));
    CHECK_NULL(kakeya_workspace_size(f->codec, ROWS, NULL));
    CHECK_NULL(kakeya_workspace_create(NULL, ROWS, &workspace));
    CHECK_NULL(kakeya_workspace_create(f->codec, ROWS, NULL));
    CHECK_NULL(kakeya_encode_bound(NULL, ROWS, &size));
    CHECK_NULL(kakeya_encode_bound(f->codec, ROWS, NULL));
    f->layout.segments = NULL;
    CHECK_NULL(kakeya_codec_create(&f->params, &f->layout, NULL, &codec));
    f->layout.segments = &f->segment;
    f->segment.rope = KAKEYA_ROPE_NEOX;
    f->segment.n_rot = 2;
    CHECK_NULL(kakeya_codec_create(&f->params, &f->layout, NULL, &codec));
    f->segment.rope = KAKEYA_ROPE_NONE;
    CHECK(codec == NULL && workspace == NULL);
    /* Without a codec it is the best tier of the machine. */
    CHECK(kakeya_cpu_tier(NULL) == kakeya_cpu_tier(f->codec));
}

static void fitter(const fixture *f, const kakeya_rows *rows) {
    kakeya_params params = f->params;
    kakeya_fitter *fitter = NULL;
    kakeya_skeleton *skeleton = NULL;
    kakeya_fit_report report;
    uint8_t id[32];
    unsigned char bytes[16] = {0};
    size_t size = 0;
    params.preset = KAKEYA_PRESET_KAKEYA;
    CHECK_NULL(kakeya_fitter_create(NULL, &f->layout, &fitter));
    CHECK_NULL(kakeya_fitter_create(&params, NULL, &fitter));
    CHECK_NULL(kakeya_fitter_create(&params, &f->layout, NULL));
    CHECK_OK(kakeya_fitter_create(&params, &f->layout, &fitter));
    CHECK_NULL(kakeya_fitter_add_rows(NULL, rows));
    CHECK_NULL(kakeya_fitter_add_rows(fitter, NULL));
    CHECK_OK(kakeya_fitter_add_rows(fitter, rows));
    CHECK_NULL(kakeya_fitter_finish(NULL, &report, sizeof report, &skeleton));
    CHECK_NULL(kakeya_fitter_finish(fitter, &report, sizeof report, NULL));
    CHECK_OK(kakeya_fitter_finish(fitter, NULL, 0, &skeleton));
    CHECK_NULL(kakeya_skeleton_size(NULL, &size));
    CHECK_NULL(kakeya_skeleton_size(skeleton, NULL));
    CHECK_NULL(kakeya_skeleton_save(NULL, bytes, sizeof bytes, &size));
    CHECK_NULL(kakeya_skeleton_save(skeleton, NULL, sizeof bytes, &size));
    CHECK_NULL(kakeya_skeleton_save(skeleton, bytes, sizeof bytes, NULL));
    CHECK_NULL(kakeya_skeleton_id(NULL, id));
    CHECK_NULL(kakeya_skeleton_id(skeleton, NULL));
    kakeya_skeleton_free(skeleton);
    skeleton = NULL;
    CHECK_NULL(kakeya_skeleton_load(NULL, 16, &skeleton));
    CHECK_NULL(kakeya_skeleton_load(bytes, sizeof bytes, NULL));
    CHECK(skeleton == NULL);
    kakeya_fitter_free(fitter);
}

static void encode(const fixture *f, const kakeya_view *view) {
    unsigned char dst[16384];
    size_t written = 0;
    kakeya_rows rows = rows_of(view, ROWS);
    CHECK_NULL(kakeya_encode(NULL, f->workspace, &rows, dst, sizeof dst, &written));
    CHECK_NULL(kakeya_encode(f->codec, NULL, &rows, dst, sizeof dst, &written));
    CHECK_NULL(kakeya_encode(f->codec, f->workspace, NULL, dst, sizeof dst, &written));
    CHECK_NULL(kakeya_encode(f->codec, f->workspace, &rows, NULL, sizeof dst, &written));
    CHECK_NULL(kakeya_encode(f->codec, f->workspace, &rows, dst, sizeof dst, NULL));
    rows.views = NULL;
    CHECK_NULL(kakeya_encode(f->codec, f->workspace, &rows, dst, sizeof dst, &written));
    kakeya_view no_data = *view;
    no_data.data = NULL;
    rows.views = &no_data;
    CHECK_NULL(kakeya_encode(f->codec, f->workspace, &rows, dst, sizeof dst, &written));
    CHECK(written == 0);
}

static void decode(const fixture *f, const unsigned char *block, size_t length) {
    float out[VALUES];
    kakeya_block_info info;
    const kakeya_view_mut view = view_mut_of(out, DIM);
    kakeya_rows_mut rows = rows_mut_of(&view, ROWS);
    CHECK_NULL(kakeya_block_read_info(NULL, length, &info, sizeof info));
    CHECK_NULL(kakeya_block_read_info(block, length, NULL, sizeof info));
    CHECK_NULL(kakeya_block_verify(f->codec, NULL, length));
    CHECK_NULL(kakeya_decode(NULL, f->workspace, block, length, &rows));
    CHECK_NULL(kakeya_decode(f->codec, NULL, block, length, &rows));
    CHECK_NULL(kakeya_decode(f->codec, f->workspace, NULL, length, &rows));
    CHECK_NULL(kakeya_decode(f->codec, f->workspace, block, length, NULL));
    CHECK_NULL(kakeya_decode_rows(NULL, f->workspace, block, length, 0, ROWS, &rows));
    CHECK_NULL(kakeya_decode_rows(f->codec, NULL, block, length, 0, ROWS, &rows));
    CHECK_NULL(kakeya_decode_rows(f->codec, f->workspace, NULL, length, 0, ROWS, &rows));
    CHECK_NULL(kakeya_decode_rows(f->codec, f->workspace, block, length, 0, ROWS, NULL));
    rows.views = NULL;
    CHECK_NULL(kakeya_decode(f->codec, f->workspace, block, length, &rows));
    CHECK_NULL(kakeya_decode_rows(f->codec, f->workspace, block, length, 0, ROWS, &rows));
}

static void batch(const fixture *f, const kakeya_rows *rows, const unsigned char *block, size_t length) {
    unsigned char dst[16384];
    float out[VALUES];
    kakeya_batch_result result;
    const kakeya_view_mut view = view_mut_of(out, DIM);
    const kakeya_rows_mut rows_mut = rows_mut_of(&view, ROWS);
    kakeya_workspace *const one[1] = {f->workspace};
    kakeya_workspace *const none[1] = {NULL};
    kakeya_encode_item encode_item;
    kakeya_decode_item decode_item;
    CHECK_OK(kakeya_encode_item_init(&encode_item, sizeof encode_item));
    CHECK_OK(kakeya_decode_item_init(&decode_item, sizeof decode_item));
    encode_item.rows = rows;
    encode_item.dst = dst;
    encode_item.dst_cap = sizeof dst;
    decode_item.src = block;
    decode_item.src_len = length;
    decode_item.rows = &rows_mut;
    CHECK_NULL(kakeya_encode_batch(NULL, one, 1, &encode_item, 1, NULL, NULL, &result, sizeof result));
    CHECK_NULL(kakeya_encode_batch(f->codec, NULL, 1, &encode_item, 1, NULL, NULL, &result, sizeof result));
    CHECK_NULL(kakeya_encode_batch(f->codec, none, 1, &encode_item, 1, NULL, NULL, &result, sizeof result));
    CHECK_NULL(kakeya_encode_batch(f->codec, one, 1, NULL, 1, NULL, NULL, &result, sizeof result));
    CHECK_NULL(kakeya_encode_batch(f->codec, one, 1, &encode_item, 1, NULL, NULL, NULL, sizeof result));
    CHECK_NULL(kakeya_decode_batch(NULL, one, 1, &decode_item, 1, NULL, NULL, &result, sizeof result));
    CHECK_NULL(kakeya_decode_batch(f->codec, NULL, 1, &decode_item, 1, NULL, NULL, &result, sizeof result));
    CHECK_NULL(kakeya_decode_batch(f->codec, none, 1, &decode_item, 1, NULL, NULL, &result, sizeof result));
    CHECK_NULL(kakeya_decode_batch(f->codec, one, 1, NULL, 1, NULL, NULL, &result, sizeof result));
    CHECK_NULL(kakeya_decode_batch(f->codec, one, 1, &decode_item, 1, NULL, NULL, NULL, sizeof result));
    /* A NULL inside an item is that item's failure. */
    encode_item.rows = NULL;
    CHECK_NULL(kakeya_encode_batch(f->codec, one, 1, &encode_item, 1, NULL, NULL, &result, sizeof result));
    CHECK(result.status == KAKEYA_ERR_NULL_POINTER && result.message[0] != '\0');
    decode_item.src = NULL;
    CHECK_NULL(kakeya_decode_batch(f->codec, one, 1, &decode_item, 1, NULL, NULL, &result, sizeof result));
    CHECK(result.status == KAKEYA_ERR_NULL_POINTER && result.message[0] != '\0');
}

int main(void) {
    fixture f;
    float x[VALUES];
    size_t length = 0;
    fill(x, VALUES, 1);
    inits();
    frees();
    fixture_open(&f, KAKEYA_PRESET_TURBO);
    const kakeya_view view = view_of(x, DIM);
    const kakeya_rows rows = rows_of(&view, ROWS);
    unsigned char *block = encode_rows(&f, x, ROWS, &length);
    codec(&f);
    fitter(&f, &rows);
    encode(&f, &view);
    decode(&f, block, length);
    batch(&f, &rows, block, length);
    free(block);
    fixture_close(&f);
    return check_report();
}
