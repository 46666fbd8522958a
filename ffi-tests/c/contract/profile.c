/* A profile says what it was made from, survives saving and loading, and gives the codecs that its parts give. */
#include "profile_fixture.h"

static void says_streams(const kakeya_profile *profile, const stream streams[STREAMS]) {
    size_t n_streams = 0;
    CHECK_OK(kakeya_profile_streams(profile, &n_streams));
    CHECK(n_streams == STREAMS);
    for (size_t i = 0; i < STREAMS; i++) {
        const stream *s = &streams[i];
        kakeya_stream_info info;
        kakeya_params params;
        kakeya_skeleton *skeleton = NULL;
        uint8_t id[32] = {0};
        size_t size = 0;
        CHECK_OK(kakeya_profile_stream(profile, i, &info, sizeof info));
        CHECK(info.n_layers == s->key.n_layers && info.n_heads == 1 && info.part == s->key.part);
        CHECK(memcmp(info.layers, s->layers, info.n_layers * sizeof *info.layers) == 0 && info.heads[0] == 2);
        CHECK(info.preset == s->params.preset && info.distortion == s->params.distortion);
        CHECK(info.rate_control == s->params.rate_control);
        CHECK(info.n_segments == s->layout.n_segments && info.dim == HEAD * info.n_segments);
        CHECK(info.raw_row_bytes == 2 * info.dim);
        CHECK(info.step_factor == (i == 0 ? 0.75f : 1.0f));
        CHECK(info.needs_positions == (i == 1 ? 1u : 0u));
        CHECK_OK(kakeya_profile_skeleton(profile, i, &skeleton));
        CHECK((skeleton != NULL) == (s->skeleton != NULL));
        if (skeleton != NULL) {
            CHECK_OK(kakeya_skeleton_id(skeleton, id));
            CHECK_OK(kakeya_skeleton_size(skeleton, &size));
        }
        CHECK(memcmp(info.skeleton_id, id, sizeof id) == 0 && info.skeleton_bytes == size);
        kakeya_skeleton_free(skeleton);
        CHECK_OK(kakeya_profile_params(profile, i, &params, sizeof params));
        CHECK(memcmp(&params, &s->params, sizeof params) == 0);
        for (size_t j = 0; j < info.n_segments; j++) {
            kakeya_segment segment;
            CHECK_OK(kakeya_profile_segment(profile, i, j, &segment, sizeof segment));
            CHECK(segment.struct_size == sizeof segment && segment.dim == HEAD && segment.gain == 1.5f);
            CHECK(segment.raw_dtype == KAKEYA_DTYPE_F16 && segment.rope == s->segments[j].rope);
            CHECK(segment.n_rot == s->segments[j].n_rot && (segment.inv_freq == NULL) == (segment.n_rot == 0));
            CHECK(memcmp(segment.inv_freq == NULL ? s->inv_freq : segment.inv_freq, s->inv_freq,
                         segment.n_rot / 2 * sizeof(float)) == 0);
        }
    }
}

static void says_the_rest(const kakeya_profile *profile) {
    uint8_t model[32];
    uint8_t nines[32];
    char text[8];
    size_t length = 0;
    size_t n_qualities = 0;
    float step = 0.0f;
    kakeya_policy policy;
    kakeya_quality quality;
    memset(nines, 9, sizeof nines);
    CHECK_OK(kakeya_profile_model_fingerprint(profile, model));
    CHECK(memcmp(model, nines, sizeof model) == 0);
    CHECK_OK(kakeya_profile_description(profile, text, sizeof text, &length));
    CHECK(length == 7 && strcmp(text, "a model") == 0);
    CHECK_OK(kakeya_profile_description(profile, text, 4, &length));
    CHECK(length == 7 && strcmp(text, "a m") == 0);
    CHECK_OK(kakeya_profile_description(profile, NULL, 0, &length));
    CHECK(length == 7);
    CHECK_OK(kakeya_profile_step(profile, &step));
    CHECK(step == 1.0f);
    CHECK_OK(kakeya_profile_policy(profile, &policy, sizeof policy));
    CHECK(policy.struct_size == sizeof policy && policy.n_sinks == 4 && policy.n_recent == 32);
    CHECK(policy.n_raw_layers == 2 && policy.raw_layers[0] == 0 && policy.raw_layers[1] == 1);
    CHECK_OK(kakeya_profile_qualities(profile, &n_qualities));
    CHECK(n_qualities == 2);
    CHECK_OK(kakeya_profile_quality(profile, 1, &quality, sizeof quality));
    CHECK(quality.struct_size == sizeof quality && strcmp(quality.name, "q4") == 0 && quality.step == 0.25f);
    CHECK(quality.mean_kld == 0.01 && quality.bpv == 1.25);
    CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, kakeya_profile_quality(profile, 2, &quality, sizeof quality));
}

static void finds(const kakeya_profile *profile) {
    size_t place[2] = {99, 99};
    CHECK_OK(kakeya_profile_find(profile, 1, KAKEYA_PART_V, 2, &place[0], &place[1]));
    CHECK(place[0] == 0 && place[1] == 3);
    CHECK_OK(kakeya_profile_find(profile, 2, KAKEYA_PART_V, 2, &place[0], &place[1]));
    CHECK(place[0] == 2 && place[1] == 0);
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, kakeya_profile_find(profile, 3, KAKEYA_PART_K, 2, &place[0], &place[1]));
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, kakeya_profile_find(profile, 2, KAKEYA_PART_K, 0, &place[0], &place[1]));
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, kakeya_profile_find(profile, 2, KAKEYA_PART_KV, 2, &place[0], &place[1]));
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, kakeya_profile_find(profile, 2, 7, 2, &place[0], &place[1]));
    CHECK(place[0] == 2 && place[1] == 0);
}

/* Encodes with a codec, which is freed, and gives block and fingerprint. */
static unsigned char *block_of(kakeya_codec *codec, size_t n_segments, size_t *length, uint8_t fingerprint[32]) {
    float x[ROWS * HEAD * JOINED];
    int32_t positions[ROWS];
    kakeya_view views[JOINED];
    kakeya_workspace *workspace = NULL;
    size_t bound = 0;
    fill(x, sizeof x / sizeof x[0], 8);
    for (int i = 0; i < ROWS; i++) {
        positions[i] = i;
    }
    for (size_t i = 0; i < n_segments; i++) {
        views[i] = view_of(x + i * HEAD, n_segments * HEAD);
    }
    kakeya_rows rows = rows_of(views, ROWS);
    rows.positions = positions;
    CHECK_OK(kakeya_codec_fingerprint(codec, fingerprint));
    CHECK_OK(kakeya_workspace_create(codec, ROWS, &workspace));
    CHECK_OK(kakeya_encode_bound(codec, ROWS, &bound));
    unsigned char *block = take(bound);
    CHECK_OK(kakeya_encode(codec, workspace, &rows, block, bound, length));
    kakeya_workspace_free(workspace);
    kakeya_codec_free(codec);
    return block;
}

/* The codec that the profile gives is the one that `params` give. */
static void gives(const kakeya_profile *profile, const stream *s, size_t index,
                  const kakeya_profile_codec_options *options, const kakeya_params *params) {
    kakeya_codec *codecs[2] = {NULL, NULL};
    uint8_t fingerprints[2][32];
    unsigned char *blocks[2];
    size_t lengths[2] = {0, 0};
    CHECK_OK(kakeya_profile_codec(profile, index, options, &codecs[0]));
    CHECK_OK(kakeya_codec_create(params, &s->layout, s->skeleton, &codecs[1]));
    if (codecs[0] == NULL || codecs[1] == NULL) {
        exit(check_report());
    }
    for (size_t i = 0; i < 2; i++) {
        blocks[i] = block_of(codecs[i], s->layout.n_segments, &lengths[i], fingerprints[i]);
    }
    CHECK(memcmp(fingerprints[0], fingerprints[1], 32) == 0);
    CHECK(lengths[0] == lengths[1] && memcmp(blocks[0], blocks[1], lengths[0]) == 0);
    free(blocks[0]);
    free(blocks[1]);
}

static void codecs(const kakeya_profile *profile, const stream streams[STREAMS]) {
    kakeya_profile_codec_options options;
    for (size_t i = 0; i < STREAMS; i++) {
        kakeya_params params = streams[i].params;
        const float factor = i == 0 ? 0.75f : 0.0f; /* streams without a step keep 0 */
        CHECK_OK(kakeya_profile_codec_options_init(&options, sizeof options));
        params.step = factor;
        gives(profile, &streams[i], i, NULL, &params);
        gives(profile, &streams[i], i, &options, &params);
        options.quality = "q4";
        params.step = factor * 0.25f;
        gives(profile, &streams[i], i, &options, &params);
        options.quality = NULL;
        options.step = 0.5f;
        params.step = factor * 0.5f;
        gives(profile, &streams[i], i, &options, &params);
        if (i == 0) {
            options.max_bytes = 900;
            params.max_bytes = 900;
            params.rate_control = KAKEYA_RATE_CONTROL_MAX_BYTES;
            gives(profile, &streams[i], i, &options, &params);
            options.step = 0.0f;
            params.step = factor;
            gives(profile, &streams[i], i, &options, &params);
            options.max_bytes = 0;
            params.max_bytes = 0;
        }
        options.step = 0.0f;
        options.bits = 6.0f;
        params.rate_control = KAKEYA_RATE_CONTROL_BITS;
        params.step = 0.0f;
        params.bits = 6.0f;
        gives(profile, &streams[i], i, &options, &params);
    }
}

static void refuses_wishes(const kakeya_profile *profile) {
    kakeya_profile_codec_options options;
    kakeya_codec *codec = NULL;
    CHECK_OK(kakeya_profile_codec_options_init(&options, sizeof options));
    CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, kakeya_profile_codec(profile, STREAMS, &options, &codec));
    options.quality = "q5";
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, kakeya_profile_codec(profile, 0, &options, &codec));
    options.quality = "a name that is longer than a name may be";
    CHECK(kakeya_profile_codec(profile, 0, &options, &codec) != KAKEYA_OK);
    options.quality = "\xff";
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, kakeya_profile_codec(profile, 0, &options, &codec));
    options.quality = "q4";
    options.step = 0.5f;
    CHECK_STATUS(KAKEYA_ERR_UNSUPPORTED, kakeya_profile_codec(profile, 0, &options, &codec));
    options.quality = NULL;
    options.bits = 4.0f;
    CHECK_STATUS(KAKEYA_ERR_UNSUPPORTED, kakeya_profile_codec(profile, 1, &options, &codec));
    options.step = 0.0f;
    options.max_bytes = 900;
    CHECK_STATUS(KAKEYA_ERR_UNSUPPORTED, kakeya_profile_codec(profile, 0, &options, &codec));
    options.bits = 0.0f; /* a size that turbo cannot be held to */
    CHECK_STATUS(KAKEYA_ERR_UNSUPPORTED, kakeya_profile_codec(profile, 1, &options, &codec));
    options.max_bytes = 0;
    options.step = -0.5f;
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, kakeya_profile_codec(profile, 0, &options, &codec));
    options.step = 0.0f;
    options.bits = 9.0f;
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, kakeya_profile_codec(profile, 1, &options, &codec));
    options.bits = 0.0f;
    options.cpu_tier = 99;
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, kakeya_profile_codec(profile, 0, &options, &codec));
    options.cpu_tier = KAKEYA_CPU_TIER_BEST;
    options.reserved = 1;
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, kakeya_profile_codec(profile, 0, &options, &codec));
    CHECK(codec == NULL);
}

int main(void) {
    stream streams[STREAMS];
    uint8_t fingerprints[2][32];
    kakeya_profile *loaded = NULL;
    size_t size = 0;
    streams_open(streams);
    kakeya_profile *profile = profile_of(streams);
    unsigned char *bytes = profile_bytes(profile, &size);
    CHECK_OK(kakeya_profile_fingerprint(profile, fingerprints[0]));
    kakeya_profile_free(profile);
    CHECK_OK(kakeya_profile_load(bytes, size, &loaded));
    free(bytes);
    CHECK_OK(kakeya_profile_fingerprint(loaded, fingerprints[1]));
    CHECK(memcmp(fingerprints[0], fingerprints[1], sizeof fingerprints[0]) == 0);
    says_streams(loaded, streams);
    says_the_rest(loaded);
    finds(loaded);
    codecs(loaded, streams);
    refuses_wishes(loaded);
    kakeya_profile_free(loaded);
    streams_close(streams);
    return check_report();
}
