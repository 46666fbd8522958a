/* A profile of three streams: two layers joined (rdo), one with a rotary embedding (turbo), one fitted block by block
 * (kakeya). */
#ifndef PROFILE_FIXTURE_H
#define PROFILE_FIXTURE_H

#include <kakeyaturbo/profile.h>

#include "fixture.h"

enum { HEAD = 4, STREAMS = 3, JOINED = 4 };

/* What a stream is made from; its pointers are into itself, so it stays where it is. */
typedef struct {
    uint32_t layers[2];
    uint32_t heads[1];
    float inv_freq[HEAD / 2];
    kakeya_segment segments[JOINED];
    kakeya_stream_key key;
    kakeya_layout layout;
    kakeya_params params;
    kakeya_skeleton *skeleton;
} stream;

static inline void stream_set(stream *s, uint32_t layer, size_t n_layers, uint32_t part, uint32_t preset) {
    memset(s, 0, sizeof *s);
    CHECK_OK(kakeya_stream_key_init(&s->key, sizeof s->key));
    CHECK(s->key.part == KAKEYA_PART_KV);
    CHECK_OK(kakeya_layout_init(&s->layout, sizeof s->layout));
    CHECK_OK(kakeya_params_init(&s->params, sizeof s->params));
    s->layers[0] = layer;
    s->layers[1] = layer + 1;
    s->heads[0] = 2;
    s->inv_freq[0] = 1.0f;
    s->inv_freq[1] = 0.125f;
    s->key.n_layers = n_layers;
    s->key.layers = s->layers;
    s->key.n_heads = 1;
    s->key.heads = s->heads;
    s->key.part = part;
    s->params.preset = preset;
    s->layout.n_segments = n_layers * (part == KAKEYA_PART_KV ? 2 : 1);
    s->layout.segments = s->segments;
    for (size_t i = 0; i < s->layout.n_segments; i++) {
        CHECK_OK(kakeya_segment_init(&s->segments[i], sizeof s->segments[i]));
        s->segments[i].dim = HEAD;
        s->segments[i].gain = 1.5f;
        s->segments[i].raw_dtype = KAKEYA_DTYPE_F16;
    }
}

/* Fits the skeleton of a stream without rotary embeddings. */
static inline void stream_fit(stream *s, uint32_t seed) {
    const size_t dim = s->layout.n_segments * HEAD;
    float *x = take(ROWS * dim * sizeof *x);
    kakeya_view views[JOINED];
    kakeya_fitter *fitter = NULL;
    fill(x, ROWS * dim, seed);
    for (size_t i = 0; i < s->layout.n_segments; i++) {
        views[i] = view_of(x + i * HEAD, dim);
    }
    const kakeya_rows rows = rows_of(views, ROWS);
    CHECK_OK(kakeya_fitter_create(&s->params, &s->layout, &fitter));
    CHECK_OK(kakeya_fitter_add_rows(fitter, &rows));
    CHECK_OK(kakeya_fitter_finish(fitter, NULL, 0, &s->skeleton));
    kakeya_fitter_free(fitter);
    free(x);
}

static inline void streams_open(stream streams[STREAMS]) {
    stream_set(&streams[0], 0, 2, KAKEYA_PART_KV, KAKEYA_PRESET_RDO);
    streams[0].params.rate_control = KAKEYA_RATE_CONTROL_STEP;
    streams[0].params.step = 0.5f;
    stream_fit(&streams[0], 6);
    stream_set(&streams[1], 2, 1, KAKEYA_PART_K, KAKEYA_PRESET_TURBO);
    streams[1].segments[0].rope = KAKEYA_ROPE_NEOX;
    streams[1].segments[0].n_rot = HEAD;
    streams[1].segments[0].inv_freq = streams[1].inv_freq;
    stream_set(&streams[2], 2, 1, KAKEYA_PART_V, KAKEYA_PRESET_KAKEYA);
    streams[2].params.seed = 77;
    streams[2].params.nan_policy = KAKEYA_NAN_POLICY_RAW;
    streams[2].params.max_protected = 3;
    streams[2].params.checksum = 0;
}

static inline void streams_close(stream streams[STREAMS]) {
    for (size_t i = 0; i < STREAMS; i++) {
        kakeya_skeleton_free(streams[i].skeleton);
    }
}

static inline kakeya_quality quality_of(const char *name, float step, double mean_kld, double bpv) {
    kakeya_quality quality;
    CHECK_OK(kakeya_quality_init(&quality, sizeof quality));
    memcpy(quality.name, name, strlen(name));
    quality.step = step;
    quality.mean_kld = mean_kld;
    quality.bpv = bpv;
    return quality;
}

/* A builder with the streams; the caller frees it. */
static inline kakeya_profile_builder *builder_of(stream streams[STREAMS]) {
    kakeya_profile_builder *builder = NULL;
    CHECK_OK(kakeya_profile_builder_create(&builder));
    for (size_t i = 0; i < STREAMS; i++) {
        CHECK_OK(kakeya_profile_builder_add(builder, &streams[i].key, &streams[i].layout, streams[i].skeleton,
                                            &streams[i].params));
    }
    return builder;
}

/* The streams with qualities, policy and all else; the caller frees it. */
static inline kakeya_profile *profile_of(stream streams[STREAMS]) {
    const uint32_t raw_layers[2] = {0, 1};
    uint8_t fingerprint[32];
    kakeya_policy policy;
    kakeya_profile *profile = NULL;
    kakeya_profile_builder *builder = builder_of(streams);
    const kakeya_quality qualities[2] = {quality_of("q8", 0.125f, 0.001, 2.5), quality_of("q4", 0.25f, 0.01, 1.25)};
    memset(fingerprint, 9, sizeof fingerprint);
    CHECK_OK(kakeya_policy_init(&policy, sizeof policy));
    policy.n_sinks = 4;
    policy.n_recent = 32;
    policy.n_raw_layers = 2;
    policy.raw_layers = raw_layers;
    CHECK_OK(kakeya_profile_builder_set_model(builder, fingerprint, qualities, 2, &policy));
    CHECK_OK(kakeya_profile_builder_set_description(builder, "a model"));
    CHECK_OK(kakeya_profile_builder_set_step(builder, 1.0f));
    CHECK_OK(kakeya_profile_builder_set_stream(builder, 0, NULL, 0.75f));
    CHECK_OK(kakeya_profile_builder_finish(builder, &profile));
    kakeya_profile_builder_free(builder);
    if (profile == NULL) {
        exit(check_report());
    }
    return profile;
}

/* The saved form, in memory of exactly its size, to be freed. */
static inline unsigned char *profile_bytes(const kakeya_profile *profile, size_t *size) {
    size_t written = 0;
    CHECK_OK(kakeya_profile_size(profile, size));
    unsigned char *bytes = take(*size);
    CHECK_OK(kakeya_profile_save(profile, bytes, *size, &written));
    CHECK(written == *size);
    return bytes;
}

#endif
