#include <kakeyaturbo/kakeyaturbo.h>
#include <stdio.h>
#include <stdlib.h>

static void check(kakeya_status status) {
    if (status != KAKEYA_OK) { puts(kakeya_status_text(status)); exit(1); }
}

int main(void) {
    static float keys[512 * 128], back[512 * 128]; // 512 rows of 128 values
    static unsigned char block[40000]; // kakeya_encode_bound tells what to reserve
    size_t size, wrong = 0;
    for (int i = 0; i < 512 * 128; i++) keys[i] = (float)(i * 31 % 1000) / 500.0f - 1.0f;
    kakeya_params params = KAKEYA_PARAMS_INIT; // turbo, 4 bits
    kakeya_segment segment = KAKEYA_SEGMENT_INIT;
    kakeya_layout layout = KAKEYA_LAYOUT_INIT;
    segment.dim = 128; layout.n_segments = 1; layout.segments = &segment;
    kakeya_codec *codec; kakeya_workspace *workspace; // one for all threads, one per thread
    check(kakeya_codec_create(&params, &layout, NULL, &codec));
    check(kakeya_workspace_create(codec, 512, &workspace));
    kakeya_view from = KAKEYA_VIEW_INIT;
    kakeya_rows rows = KAKEYA_ROWS_INIT;
    from.data = keys; from.row_stride = 128;
    rows.n_rows = 512; rows.views = &from;
    check(kakeya_encode(codec, workspace, &rows, block, sizeof block, &size));
    kakeya_view_mut to = KAKEYA_VIEW_MUT_INIT;
    kakeya_rows_mut restored = KAKEYA_ROWS_MUT_INIT;
    to.data = back; to.row_stride = 128;
    restored.n_rows = 512; restored.views = &to;
    check(kakeya_decode(codec, workspace, block, size, &restored));
    for (int i = 0; i < 512 * 128; i++) wrong += back[i] - keys[i] > 0.5f || keys[i] - back[i] > 0.5f;
    printf("512 rows in %zu bytes, %zu values off by more than 0.5\n", size, wrong);
    kakeya_workspace_free(workspace);
    kakeya_codec_free(codec);
    return wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
