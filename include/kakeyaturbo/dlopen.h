/* kakeyaturbo for programs that load the library at run time: a pointer type for every function.
 *
 *     #define FIELD(name) name##_fn name;
 *     struct { KAKEYA_FUNCTIONS(FIELD) } kakeya;
 *     #define LOAD(name) *(void **)&kakeya.name = dlsym(library, #name);
 *     KAKEYA_FUNCTIONS(LOAD)
 *
 * Compare kakeya_abi_version() of the library with KAKEYA_ABI_VERSION before you call anything else.
 *
 * Generated from src/ffi by `cargo xtask header`: edit there.
 * SPDX-License-Identifier: Apache-2.0 */

#ifndef KAKEYATURBO_DLOPEN_H
#define KAKEYATURBO_DLOPEN_H

#include <kakeyaturbo/profile.h>

typedef const char *(*kakeya_status_name_fn)(int32_t);
typedef const char *(*kakeya_status_text_fn)(int32_t);
typedef kakeya_status (*kakeya_last_error_message_fn)(char *, size_t, size_t *);
typedef const char *(*kakeya_version_string_fn)(void);
typedef uint32_t (*kakeya_version_number_fn)(void);
typedef uint32_t (*kakeya_abi_version_fn)(void);
typedef kakeya_status (*kakeya_hash_fn)(const void *, size_t, uint8_t *);
typedef kakeya_status (*kakeya_params_init_fn)(kakeya_params *, size_t);
typedef kakeya_status (*kakeya_segment_init_fn)(kakeya_segment *, size_t);
typedef kakeya_status (*kakeya_layout_init_fn)(kakeya_layout *, size_t);
typedef kakeya_status (*kakeya_codec_create_fn)(
    const kakeya_params *, const kakeya_layout *, const kakeya_skeleton *, kakeya_codec **);
typedef void (*kakeya_codec_free_fn)(kakeya_codec *);
typedef kakeya_status (*kakeya_codec_fingerprint_fn)(const kakeya_codec *, uint8_t *);
typedef uint32_t (*kakeya_cpu_tier_fn)(const kakeya_codec *);
typedef const char *(*kakeya_cpu_tier_name_fn)(uint32_t);
typedef kakeya_status (*kakeya_workspace_create_fn)(const kakeya_codec *, size_t, kakeya_workspace **);
typedef kakeya_status (*kakeya_workspace_size_fn)(const kakeya_codec *, size_t, size_t *);
typedef void (*kakeya_workspace_free_fn)(kakeya_workspace *);
typedef kakeya_status (*kakeya_view_init_fn)(kakeya_view *, size_t);
typedef kakeya_status (*kakeya_view_mut_init_fn)(kakeya_view_mut *, size_t);
typedef kakeya_status (*kakeya_rows_init_fn)(kakeya_rows *, size_t);
typedef kakeya_status (*kakeya_rows_mut_init_fn)(kakeya_rows_mut *, size_t);
typedef kakeya_status (*kakeya_encode_bound_fn)(const kakeya_codec *, size_t, size_t *);
typedef kakeya_status (*kakeya_encode_fn)(
    const kakeya_codec *, kakeya_workspace *, const kakeya_rows *, void *, size_t, size_t *);
typedef kakeya_status (*kakeya_decode_fn)(
    const kakeya_codec *, kakeya_workspace *, const void *, size_t, const kakeya_rows_mut *);
typedef kakeya_status (*kakeya_decode_rows_fn)(
    const kakeya_codec *, kakeya_workspace *, const void *, size_t, size_t, size_t, const kakeya_rows_mut *);
typedef kakeya_status (*kakeya_block_read_info_fn)(const void *, size_t, kakeya_block_info *, size_t);
typedef kakeya_status (*kakeya_block_verify_fn)(const kakeya_codec *, const void *, size_t);
typedef kakeya_status (*kakeya_skeleton_size_fn)(const kakeya_skeleton *, size_t *);
typedef kakeya_status (*kakeya_skeleton_save_fn)(const kakeya_skeleton *, void *, size_t, size_t *);
typedef kakeya_status (*kakeya_skeleton_load_fn)(const void *, size_t, kakeya_skeleton **);
typedef kakeya_status (*kakeya_skeleton_id_fn)(const kakeya_skeleton *, uint8_t *);
typedef void (*kakeya_skeleton_free_fn)(kakeya_skeleton *);
typedef kakeya_status (*kakeya_fitter_create_fn)(
    const kakeya_params *, const kakeya_layout *, kakeya_fitter **);
typedef kakeya_status (*kakeya_fitter_add_rows_fn)(kakeya_fitter *, const kakeya_rows *);
typedef kakeya_status (*kakeya_fitter_add_queries_fn)(
    kakeya_fitter *, size_t, const kakeya_view *, size_t, const int32_t *);
typedef kakeya_status (*kakeya_fitter_finish_fn)(
    kakeya_fitter *, kakeya_fit_report *, size_t, kakeya_skeleton **);
typedef void (*kakeya_fitter_free_fn)(kakeya_fitter *);
typedef kakeya_status (*kakeya_encode_item_init_fn)(kakeya_encode_item *, size_t);
typedef kakeya_status (*kakeya_decode_item_init_fn)(kakeya_decode_item *, size_t);
typedef kakeya_status (*kakeya_encode_batch_fn)(
    const kakeya_codec *, kakeya_workspace *const *, size_t, const kakeya_encode_item *, size_t,
    kakeya_runner, void *, kakeya_batch_result *, size_t);
typedef kakeya_status (*kakeya_decode_batch_fn)(
    const kakeya_codec *, kakeya_workspace *const *, size_t, const kakeya_decode_item *, size_t,
    kakeya_runner, void *, kakeya_batch_result *, size_t);
typedef kakeya_status (*kakeya_stream_key_init_fn)(kakeya_stream_key *, size_t);
typedef kakeya_status (*kakeya_quality_init_fn)(kakeya_quality *, size_t);
typedef kakeya_status (*kakeya_policy_init_fn)(kakeya_policy *, size_t);
typedef kakeya_status (*kakeya_profile_load_fn)(const void *, size_t, kakeya_profile **);
typedef kakeya_status (*kakeya_profile_size_fn)(const kakeya_profile *, size_t *);
typedef kakeya_status (*kakeya_profile_save_fn)(const kakeya_profile *, void *, size_t, size_t *);
typedef void (*kakeya_profile_free_fn)(kakeya_profile *);
typedef kakeya_status (*kakeya_profile_fingerprint_fn)(const kakeya_profile *, uint8_t *);
typedef kakeya_status (*kakeya_profile_model_fingerprint_fn)(const kakeya_profile *, uint8_t *);
typedef kakeya_status (*kakeya_profile_description_fn)(const kakeya_profile *, char *, size_t, size_t *);
typedef kakeya_status (*kakeya_profile_step_fn)(const kakeya_profile *, float *);
typedef kakeya_status (*kakeya_profile_policy_fn)(const kakeya_profile *, kakeya_policy *, size_t);
typedef kakeya_status (*kakeya_profile_qualities_fn)(const kakeya_profile *, size_t *);
typedef kakeya_status (*kakeya_profile_quality_fn)(const kakeya_profile *, size_t, kakeya_quality *, size_t);
typedef kakeya_status (*kakeya_profile_streams_fn)(const kakeya_profile *, size_t *);
typedef kakeya_status (*kakeya_profile_stream_fn)(
    const kakeya_profile *, size_t, kakeya_stream_info *, size_t);
typedef kakeya_status (*kakeya_profile_segment_fn)(
    const kakeya_profile *, size_t, size_t, kakeya_segment *, size_t);
typedef kakeya_status (*kakeya_profile_params_fn)(const kakeya_profile *, size_t, kakeya_params *, size_t);
typedef kakeya_status (*kakeya_profile_skeleton_fn)(const kakeya_profile *, size_t, kakeya_skeleton **);
typedef kakeya_status (*kakeya_profile_find_fn)(
    const kakeya_profile *, uint32_t, uint32_t, uint32_t, size_t *, size_t *);
typedef kakeya_status (*kakeya_profile_codec_options_init_fn)(kakeya_profile_codec_options *, size_t);
typedef kakeya_status (*kakeya_profile_codec_fn)(
    const kakeya_profile *, size_t, const kakeya_profile_codec_options *, kakeya_codec **);
typedef kakeya_status (*kakeya_profile_builder_create_fn)(kakeya_profile_builder **);
typedef kakeya_status (*kakeya_profile_builder_from_fn)(const kakeya_profile *, kakeya_profile_builder **);
typedef kakeya_status (*kakeya_profile_builder_add_fn)(
    kakeya_profile_builder *, const kakeya_stream_key *, const kakeya_layout *, const kakeya_skeleton *,
    const kakeya_params *);
typedef kakeya_status (*kakeya_profile_builder_set_stream_fn)(
    kakeya_profile_builder *, size_t, const kakeya_params *, float);
typedef kakeya_status (*kakeya_profile_builder_set_model_fn)(
    kakeya_profile_builder *, const uint8_t *, const kakeya_quality *, size_t, const kakeya_policy *);
typedef kakeya_status (*kakeya_profile_builder_set_description_fn)(kakeya_profile_builder *, const char *);
typedef kakeya_status (*kakeya_profile_builder_set_step_fn)(kakeya_profile_builder *, float);
typedef kakeya_status (*kakeya_profile_builder_finish_fn)(kakeya_profile_builder *, kakeya_profile **);
typedef void (*kakeya_profile_builder_free_fn)(kakeya_profile_builder *);

/// `X(name)` for every function.
#define KAKEYA_FUNCTIONS(X) \
    X(kakeya_status_name) \
    X(kakeya_status_text) \
    X(kakeya_last_error_message) \
    X(kakeya_version_string) \
    X(kakeya_version_number) \
    X(kakeya_abi_version) \
    X(kakeya_hash) \
    X(kakeya_params_init) \
    X(kakeya_segment_init) \
    X(kakeya_layout_init) \
    X(kakeya_codec_create) \
    X(kakeya_codec_free) \
    X(kakeya_codec_fingerprint) \
    X(kakeya_cpu_tier) \
    X(kakeya_cpu_tier_name) \
    X(kakeya_workspace_create) \
    X(kakeya_workspace_size) \
    X(kakeya_workspace_free) \
    X(kakeya_view_init) \
    X(kakeya_view_mut_init) \
    X(kakeya_rows_init) \
    X(kakeya_rows_mut_init) \
    X(kakeya_encode_bound) \
    X(kakeya_encode) \
    X(kakeya_decode) \
    X(kakeya_decode_rows) \
    X(kakeya_block_read_info) \
    X(kakeya_block_verify) \
    X(kakeya_skeleton_size) \
    X(kakeya_skeleton_save) \
    X(kakeya_skeleton_load) \
    X(kakeya_skeleton_id) \
    X(kakeya_skeleton_free) \
    X(kakeya_fitter_create) \
    X(kakeya_fitter_add_rows) \
    X(kakeya_fitter_add_queries) \
    X(kakeya_fitter_finish) \
    X(kakeya_fitter_free) \
    X(kakeya_encode_item_init) \
    X(kakeya_decode_item_init) \
    X(kakeya_encode_batch) \
    X(kakeya_decode_batch) \
    X(kakeya_stream_key_init) \
    X(kakeya_quality_init) \
    X(kakeya_policy_init) \
    X(kakeya_profile_load) \
    X(kakeya_profile_size) \
    X(kakeya_profile_save) \
    X(kakeya_profile_free) \
    X(kakeya_profile_fingerprint) \
    X(kakeya_profile_model_fingerprint) \
    X(kakeya_profile_description) \
    X(kakeya_profile_step) \
    X(kakeya_profile_policy) \
    X(kakeya_profile_qualities) \
    X(kakeya_profile_quality) \
    X(kakeya_profile_streams) \
    X(kakeya_profile_stream) \
    X(kakeya_profile_segment) \
    X(kakeya_profile_params) \
    X(kakeya_profile_skeleton) \
    X(kakeya_profile_find) \
    X(kakeya_profile_codec_options_init) \
    X(kakeya_profile_codec) \
    X(kakeya_profile_builder_create) \
    X(kakeya_profile_builder_from) \
    X(kakeya_profile_builder_add) \
    X(kakeya_profile_builder_set_stream) \
    X(kakeya_profile_builder_set_model) \
    X(kakeya_profile_builder_set_description) \
    X(kakeya_profile_builder_set_step) \
    X(kakeya_profile_builder_finish) \
    X(kakeya_profile_builder_free)

#endif /* KAKEYATURBO_DLOPEN_H */
