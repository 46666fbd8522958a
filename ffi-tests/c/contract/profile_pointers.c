/* NULL where something is needed, sizes that are no size, bytes that are no profile: an error each, and nothing is
 * written. */
#include "profile_fixture.h"

#define CHECK_NULL(call) CHECK_STATUS(KAKEYA_ERR_NULL_POINTER, call)

static void inits_and_frees(void) {
    kakeya_stream_key key;
    CHECK_NULL(kakeya_stream_key_init(NULL, sizeof(kakeya_stream_key)));
    CHECK_NULL(kakeya_quality_init(NULL, sizeof(kakeya_quality)));
    CHECK_NULL(kakeya_policy_init(NULL, sizeof(kakeya_policy)));
    CHECK_NULL(kakeya_profile_codec_options_init(NULL, sizeof(kakeya_profile_codec_options)));
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, kakeya_stream_key_init(&key, 3));
    kakeya_profile_free(NULL);
    kakeya_profile_builder_free(NULL);
}

static void builder_pointers(stream streams[STREAMS], const kakeya_profile *profile) {
    stream *s = &streams[0];
    const kakeya_quality quality = quality_of("q", 1.0f, 0.0, 0.0);
    kakeya_policy policy;
    kakeya_profile_builder *builder = NULL;
    kakeya_profile_builder *made = NULL;
    kakeya_profile *finished = NULL;
    CHECK_NULL(kakeya_profile_builder_create(NULL));
    CHECK_NULL(kakeya_profile_builder_from(NULL, &made));
    CHECK_NULL(kakeya_profile_builder_from(profile, NULL));
    CHECK(made == NULL);
    CHECK_OK(kakeya_profile_builder_create(&builder));
    CHECK_NULL(kakeya_profile_builder_add(NULL, &s->key, &s->layout, s->skeleton, &s->params));
    CHECK_NULL(kakeya_profile_builder_add(builder, NULL, &s->layout, s->skeleton, &s->params));
    CHECK_NULL(kakeya_profile_builder_add(builder, &s->key, NULL, s->skeleton, &s->params));
    CHECK_NULL(kakeya_profile_builder_add(builder, &s->key, &s->layout, s->skeleton, NULL));
    /* A skeleton may be missing, but not for rdo. */
    CHECK_STATUS(KAKEYA_ERR_UNSUPPORTED,
                 kakeya_profile_builder_add(builder, &s->key, &s->layout, NULL, &s->params));
    kakeya_stream_key key = s->key;
    key.layers = NULL;
    CHECK_NULL(kakeya_profile_builder_add(builder, &key, &s->layout, s->skeleton, &s->params));
    key = s->key;
    key.heads = NULL;
    CHECK_NULL(kakeya_profile_builder_add(builder, &key, &s->layout, s->skeleton, &s->params));
    key = s->key;
    key.struct_size = 1;
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM,
                 kakeya_profile_builder_add(builder, &key, &s->layout, s->skeleton, &s->params));
    CHECK_NULL(kakeya_profile_builder_set_stream(NULL, 0, &s->params, 1.0f));
    CHECK_NULL(kakeya_profile_builder_set_model(NULL, NULL, &quality, 1, NULL));
    CHECK_OK(kakeya_profile_builder_set_model(builder, NULL, NULL, 7, NULL));
    CHECK_OK(kakeya_policy_init(&policy, sizeof policy));
    policy.n_raw_layers = 1;
    CHECK_NULL(kakeya_profile_builder_set_model(builder, NULL, NULL, 0, &policy));
    CHECK_NULL(kakeya_profile_builder_set_description(NULL, ""));
    CHECK_NULL(kakeya_profile_builder_set_description(builder, NULL));
    CHECK_NULL(kakeya_profile_builder_set_step(NULL, 1.0f));
    CHECK_NULL(kakeya_profile_builder_finish(NULL, &finished));
    CHECK_NULL(kakeya_profile_builder_finish(builder, NULL));
    CHECK(finished == NULL);
    kakeya_profile_builder_free(builder);
}

static void profile_pointers(const kakeya_profile *profile) {
    unsigned char bytes[64] = {0};
    size_t n = 77;
    size_t m = 77;
    float step = 77.0f;
    kakeya_policy policy;
    kakeya_quality quality;
    kakeya_stream_info info;
    kakeya_segment segment;
    kakeya_params params;
    kakeya_skeleton *skeleton = NULL;
    kakeya_codec *codec = NULL;
    kakeya_profile *loaded = NULL;
    CHECK_NULL(kakeya_profile_size(NULL, &n));
    CHECK_NULL(kakeya_profile_size(profile, NULL));
    CHECK_NULL(kakeya_profile_save(NULL, bytes, sizeof bytes, &n));
    CHECK_NULL(kakeya_profile_save(profile, NULL, sizeof bytes, &n));
    CHECK_NULL(kakeya_profile_save(profile, bytes, sizeof bytes, NULL));
    CHECK_STATUS(KAKEYA_ERR_DST_TOO_SMALL, kakeya_profile_save(profile, bytes, sizeof bytes, &n));
    CHECK_NULL(kakeya_profile_load(NULL, sizeof bytes, &loaded));
    CHECK_NULL(kakeya_profile_load(bytes, sizeof bytes, NULL));
    CHECK_NULL(kakeya_profile_fingerprint(NULL, bytes));
    CHECK_NULL(kakeya_profile_fingerprint(profile, NULL));
    CHECK_NULL(kakeya_profile_model_fingerprint(NULL, bytes));
    CHECK_NULL(kakeya_profile_model_fingerprint(profile, NULL));
    CHECK_NULL(kakeya_profile_description(NULL, (char *)bytes, sizeof bytes, &n));
    CHECK_NULL(kakeya_profile_description(profile, NULL, sizeof bytes, &n));
    CHECK_NULL(kakeya_profile_description(profile, (char *)bytes, sizeof bytes, NULL));
    CHECK_NULL(kakeya_profile_step(NULL, &step));
    CHECK_NULL(kakeya_profile_step(profile, NULL));
    CHECK_NULL(kakeya_profile_policy(NULL, &policy, sizeof policy));
    CHECK_NULL(kakeya_profile_policy(profile, NULL, sizeof policy));
    CHECK_NULL(kakeya_profile_qualities(NULL, &n));
    CHECK_NULL(kakeya_profile_qualities(profile, NULL));
    CHECK_NULL(kakeya_profile_quality(NULL, 0, &quality, sizeof quality));
    CHECK_NULL(kakeya_profile_quality(profile, 0, NULL, sizeof quality));
    CHECK_NULL(kakeya_profile_streams(NULL, &n));
    CHECK_NULL(kakeya_profile_streams(profile, NULL));
    CHECK_NULL(kakeya_profile_stream(NULL, 0, &info, sizeof info));
    CHECK_NULL(kakeya_profile_stream(profile, 0, NULL, sizeof info));
    CHECK_NULL(kakeya_profile_segment(NULL, 0, 0, &segment, sizeof segment));
    CHECK_NULL(kakeya_profile_segment(profile, 0, 0, NULL, sizeof segment));
    CHECK_NULL(kakeya_profile_params(NULL, 0, &params, sizeof params));
    CHECK_NULL(kakeya_profile_params(profile, 0, NULL, sizeof params));
    CHECK_NULL(kakeya_profile_skeleton(NULL, 0, &skeleton));
    CHECK_NULL(kakeya_profile_skeleton(profile, 0, NULL));
    CHECK_NULL(kakeya_profile_find(NULL, 0, KAKEYA_PART_K, 2, &n, &m));
    CHECK_NULL(kakeya_profile_find(profile, 0, KAKEYA_PART_K, 2, NULL, &m));
    CHECK_NULL(kakeya_profile_find(profile, 0, KAKEYA_PART_K, 2, &n, NULL));
    CHECK_NULL(kakeya_profile_codec(NULL, 0, NULL, &codec));
    CHECK_NULL(kakeya_profile_codec(profile, 0, NULL, NULL));
    CHECK(n == 77 && m == 77 && step == 77.0f);
    CHECK(skeleton == NULL && codec == NULL && loaded == NULL);
}

static void indices(const kakeya_profile *profile) {
    kakeya_stream_info info;
    kakeya_segment segment;
    kakeya_params params;
    kakeya_skeleton *skeleton = NULL;
    const size_t beyond[2] = {STREAMS, (size_t)-1};
    for (size_t i = 0; i < 2; i++) {
        CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, kakeya_profile_stream(profile, beyond[i], &info, sizeof info));
        CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE,
                     kakeya_profile_segment(profile, beyond[i], 0, &segment, sizeof segment));
        CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE,
                     kakeya_profile_segment(profile, 0, JOINED + i * 1000, &segment, sizeof segment));
        CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, kakeya_profile_params(profile, beyond[i], &params, sizeof params));
        CHECK_STATUS(KAKEYA_ERR_BAD_SHAPE, kakeya_profile_skeleton(profile, beyond[i], &skeleton));
    }
    CHECK(skeleton == NULL);
}

/* Structs that go out are filled up to the size that the caller has. */
static void sizes(const kakeya_profile *profile) {
    struct {
        kakeya_policy now;
        uint64_t later;
    } newer;
    kakeya_stream_info info;
    kakeya_stream_info untouched;
    kakeya_params params;
    const size_t size = offsetof(kakeya_stream_info, n_segments);
    memset(&newer, 0xA5, sizeof newer);
    CHECK_OK(kakeya_profile_policy(profile, &newer.now, sizeof newer));
    CHECK(newer.now.struct_size == sizeof newer && newer.now.n_sinks == 4 && newer.later == 0);
    memset(&info, 0xA5, sizeof info);
    memset(&untouched, 0xA5, sizeof untouched);
    CHECK_OK(kakeya_profile_stream(profile, 0, &info, size));
    CHECK(info.n_layers == 2 && memcmp((char *)&info + size, (char *)&untouched + size, sizeof info - size) == 0);
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, kakeya_profile_params(profile, 0, &params, 0));
    CHECK_STATUS(KAKEYA_ERR_BAD_PARAM, kakeya_profile_params(profile, 0, &params, sizeof params - 1));
    CHECK_OK(kakeya_profile_params(profile, 0, &params, offsetof(kakeya_params, max_protected)));
    CHECK(params.struct_size == offsetof(kakeya_params, max_protected));
}

static void hostile_bytes(const unsigned char *bytes, size_t size) {
    kakeya_profile *loaded = NULL;
    for (size_t i = 0; i < size; i += i < 256 ? 1 : 13) {
        unsigned char *copy = take(size);
        unsigned char *shorter = take(i);
        memcpy(copy, bytes, size);
        memcpy(shorter, bytes, i);
        copy[i] ^= 0x10u;
        CHECK(kakeya_profile_load(copy, size, &loaded) != KAKEYA_OK);
        CHECK_STATUS(KAKEYA_ERR_TRUNCATED, kakeya_profile_load(shorter, i, &loaded));
        free(copy);
        free(shorter);
    }
    unsigned char *longer = take(size + 1);
    memcpy(longer, bytes, size);
    CHECK_STATUS(KAKEYA_ERR_CORRUPT, kakeya_profile_load(longer, size + 1, &loaded));
    longer[4] ^= 1u;
    CHECK_STATUS(KAKEYA_ERR_WRONG_VERSION, kakeya_profile_load(longer, size, &loaded));
    longer[0] ^= 1u;
    CHECK_STATUS(KAKEYA_ERR_CORRUPT, kakeya_profile_load(longer, size, &loaded));
    free(longer);
    CHECK(loaded == NULL);
}

int main(void) {
    stream streams[STREAMS];
    size_t size = 0;
    streams_open(streams);
    kakeya_profile *profile = profile_of(streams);
    unsigned char *bytes = profile_bytes(profile, &size);
    inits_and_frees();
    builder_pointers(streams, profile);
    profile_pointers(profile);
    indices(profile);
    sizes(profile);
    hostile_bytes(bytes, size);
    free(bytes);
    kakeya_profile_free(profile);
    streams_close(streams);
    return check_report();
}
