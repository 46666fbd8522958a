/* A builder takes what belongs together, refuses the rest, and makes changed copies without a new fit. */
#include "profile_fixture.h"

static void refuses_keys(kakeya_profile_builder *builder, stream *s) {
    const kakeya_stream_key good = s->key;
#define CHECK_KEY(expected) \
    CHECK_STATUS((expected), kakeya_profile_builder_add(builder, &s->key, &s->layout, s->skeleton, &s->params))
    s->key.part = 0;
    CHECK_KEY(KAKEYA_ERR_BAD_PARAM);
    s->key.part = KAKEYA_PART_V; /* two segments for four */
    CHECK_KEY(KAKEYA_ERR_BAD_SHAPE);
    s->key = good;
    s->key.n_layers = 0;
    CHECK_KEY(KAKEYA_ERR_BAD_SHAPE);
    s->key.n_layers = (size_t)-1;
    CHECK_KEY(KAKEYA_ERR_BAD_SHAPE);
    s->key = good;
    s->key.n_heads = 0;
    CHECK_KEY(KAKEYA_ERR_BAD_SHAPE);
    s->key = good;
    s->key.reserved = 1;
    CHECK_KEY(KAKEYA_ERR_BAD_PARAM);
    s->key = good;
    s->layers[1] = s->layers[0];
    CHECK_KEY(KAKEYA_ERR_BAD_PARAM);
    s->layers[1] = 65536;
    CHECK_KEY(KAKEYA_ERR_BAD_PARAM);
    s->layers[1] = s->layers[0] + 1;
}

static void refuses_the_rest(kakeya_profile_builder *builder) {
    kakeya_policy policy;
    kakeya_params params;
    const uint32_t descending[2] = {1, 0};
    char text[4098];
    kakeya_quality bad = quality_of("q", 0.0f, 0.0, 0.0);
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, kakeya_profile_builder_set_model(builder, NULL, &bad, 1, NULL));
    bad.step = 1.0f;
    CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, kakeya_profile_builder_set_model(builder, NULL, &bad, 257, NULL));
    bad.reserved = 1;
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, kakeya_profile_builder_set_model(builder, NULL, &bad, 1, NULL));
    bad.reserved = 0;
    bad.name[0] = '\0';
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, kakeya_profile_builder_set_model(builder, NULL, &bad, 1, NULL));
    memset(bad.name, 'x', sizeof bad.name);
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, kakeya_profile_builder_set_model(builder, NULL, &bad, 1, NULL));
    CHECK_OK(kakeya_policy_init(&policy, sizeof policy));
    policy.n_raw_layers = 2;
    policy.raw_layers = descending;
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, kakeya_profile_builder_set_model(builder, NULL, NULL, 0, &policy));
    policy.n_raw_layers = (size_t)-1;
    CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, kakeya_profile_builder_set_model(builder, NULL, NULL, 0, &policy));
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, kakeya_profile_builder_set_description(builder, text));
    text[4096] = '\0';
    CHECK_OK(kakeya_profile_builder_set_description(builder, text));
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, kakeya_profile_builder_set_description(builder, "\xff"));
    CHECK_OK(kakeya_profile_builder_set_description(builder, ""));
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, kakeya_profile_builder_set_step(builder, -1.0f));
    CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, kakeya_profile_builder_set_stream(builder, STREAMS, NULL, 1.0f));
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, kakeya_profile_builder_set_stream(builder, 0, NULL, 1e9f));
    CHECK_OK(kakeya_params_init(&params, sizeof params)); /* turbo takes no skeleton */
    CHECK_STATUS(KAKEYA_ERR_UNSUPPORTED, kakeya_profile_builder_set_stream(builder, 0, &params, 1.0f));
}

/* What only shows when the profile is made. */
static void refuses_contradictions(stream streams[STREAMS]) {
    const uint32_t half[1] = {1};
    const kakeya_quality twice[2] = {quality_of("q", 1.0f, 0.0, 0.0), quality_of("q", 2.0f, 0.0, 0.0)};
    kakeya_policy policy;
    kakeya_profile *profile = NULL;
    kakeya_profile_builder *builder = NULL;
    CHECK_OK(kakeya_profile_builder_create(&builder));
    CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, kakeya_profile_builder_finish(builder, &profile));
    kakeya_profile_builder_free(builder);

    builder = builder_of(streams);
    CHECK_OK(kakeya_profile_builder_set_model(builder, NULL, twice, 2, NULL));
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, kakeya_profile_builder_finish(builder, &profile));
    CHECK_OK(kakeya_profile_builder_set_model(builder, NULL, twice, 0, NULL));
    CHECK_OK(kakeya_policy_init(&policy, sizeof policy));
    policy.n_raw_layers = 1;
    policy.raw_layers = half;
    CHECK_OK(kakeya_profile_builder_set_model(builder, NULL, NULL, 0, &policy));
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, kakeya_profile_builder_finish(builder, &profile));
    policy.n_raw_layers = 0;
    CHECK_OK(kakeya_profile_builder_set_model(builder, NULL, NULL, 0, &policy));
    CHECK_OK(kakeya_profile_builder_add(builder, &streams[1].key, &streams[1].layout, NULL, &streams[1].params));
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, kakeya_profile_builder_finish(builder, &profile));
    CHECK(profile == NULL);
    kakeya_profile_builder_free(builder);
}

/* A copy with other qualities, another factor and other parameters; what was not set stays. */
static void makes_changed_copies(const kakeya_profile *profile) {
    uint8_t fingerprints[3][32];
    size_t n_qualities = 9;
    kakeya_params params;
    kakeya_policy policy;
    kakeya_stream_info infos[2];
    kakeya_profile *same = NULL;
    kakeya_profile *changed = NULL;
    kakeya_profile_builder *builder = NULL;
    const kakeya_quality none = quality_of("q", 1.0f, 0.0, 0.0);
    CHECK_OK(kakeya_profile_builder_from(profile, &builder));
    CHECK_OK(kakeya_profile_builder_finish(builder, &same));
    CHECK_OK(kakeya_profile_builder_set_model(builder, NULL, &none, 0, NULL));
    CHECK_OK(kakeya_profile_params(profile, 0, &params, sizeof params));
    params.rows_per_run = 16;
    CHECK_OK(kakeya_profile_builder_set_stream(builder, 0, &params, 0.0f));
    CHECK_OK(kakeya_profile_builder_set_stream(builder, 0, NULL, 2.0f));
    CHECK_OK(kakeya_profile_builder_finish(builder, &changed));
    kakeya_profile_builder_free(builder);

    CHECK_OK(kakeya_profile_fingerprint(profile, fingerprints[0]));
    CHECK_OK(kakeya_profile_fingerprint(same, fingerprints[1]));
    CHECK_OK(kakeya_profile_fingerprint(changed, fingerprints[2]));
    CHECK(memcmp(fingerprints[0], fingerprints[1], 32) == 0);
    CHECK(memcmp(fingerprints[0], fingerprints[2], 32) != 0);
    CHECK_OK(kakeya_profile_qualities(changed, &n_qualities));
    CHECK(n_qualities == 0);
    CHECK_OK(kakeya_profile_params(changed, 0, &params, sizeof params));
    CHECK(params.rows_per_run == 16 && params.step == 0.5f);
    CHECK_OK(kakeya_profile_policy(changed, &policy, sizeof policy));
    CHECK(policy.n_sinks == 4 && policy.n_raw_layers == 2);
    CHECK_OK(kakeya_profile_stream(profile, 0, &infos[0], sizeof infos[0]));
    CHECK_OK(kakeya_profile_stream(changed, 0, &infos[1], sizeof infos[1]));
    CHECK(infos[0].step_factor == 0.75f && infos[1].step_factor == 2.0f);
    CHECK(memcmp(infos[0].skeleton_id, infos[1].skeleton_id, 32) == 0);
    kakeya_profile_free(changed);
    kakeya_profile_free(same);
}

int main(void) {
    stream streams[STREAMS];
    uint8_t fingerprints[2][32];
    kakeya_profile *profile = NULL;
    streams_open(streams);
    kakeya_profile_builder *builder = builder_of(streams);
    CHECK_OK(kakeya_profile_builder_finish(builder, &profile));
    CHECK_OK(kakeya_profile_fingerprint(profile, fingerprints[0]));
    kakeya_profile_free(profile);
    refuses_keys(builder, &streams[0]);
    refuses_the_rest(builder);
    /* After all that was refused it makes the same profile. */
    CHECK_OK(kakeya_profile_builder_finish(builder, &profile));
    CHECK_OK(kakeya_profile_fingerprint(profile, fingerprints[1]));
    CHECK(memcmp(fingerprints[0], fingerprints[1], 32) == 0);
    kakeya_profile_free(profile);
    kakeya_profile_builder_free(builder);
    refuses_contradictions(streams);
    profile = profile_of(streams);
    makes_changed_copies(profile);
    kakeya_profile_free(profile);
    streams_close(streams);
    return check_report();
}
