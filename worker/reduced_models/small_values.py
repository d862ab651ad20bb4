"""Small values of the field names that model configs share."""

from typing import Any

from reduced_models.tokenizer import VOCABULARY_SIZE

HIDDEN = 64
HEADS = 4
HEAD_DIM = 16
LAYERS = 2
FEED_FORWARD = 128
EXPERT_FEED_FORWARD = 32
CONTEXT_TOKENS = 2048


def _same(value: Any, *names: str) -> dict[str, Any]:
    return dict.fromkeys(names, value)


SIZES: dict[str, Any] = {
    **_same(VOCABULARY_SIZE, "vocab_size", "num_vocab", "vocab_size_per_layer_input"),
    **_same(HIDDEN, "hidden_size", "hidden_dim", "d_model", "model_dim", "n_embd", "dim_model_base"),
    **_same(LAYERS, "num_hidden_layers", "num_layers", "n_layer", "n_layers", "num_transformer_layers"),
    **_same(HEADS, "num_attention_heads", "num_heads", "n_head", "n_heads"),
    **_same(2, "num_key_value_heads", "num_kv_heads", "n_kv_heads"),
    **_same(HEAD_DIM, "head_dim", "hidden_size_per_head", "kv_channels", "global_head_dim"),
    **_same(
        FEED_FORWARD, "intermediate_size", "ffn_hidden_size", "n_inner", "ff_intermediate_size",
        "intermediate_size_mlp", "dense_intermediate_size", "block_dim", "block_ff_dim",
    ),
    **_same(
        CONTEXT_TOKENS, "max_position_embeddings", "n_positions", "n_ctx", "block_size", "model_max_length",
    ),
    **_same(2, "sliding_window_pattern", "full_attention_interval", "layer_group_size", "mamba_step"),
    **_same(8, "rotary_dim"),
    **_same(10000.0, "rope_theta"),
    **_same(
        32, "sliding_window", "attention_window_size", "window_size", "sliding_window_size",
        "attention_chunk_size", "loop_window_size",
    ),
}  # fmt: skip

EXPERTS: dict[str, Any] = {
    **_same(4, "num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"),
    **_same(2, "num_experts_per_tok", "num_experts_per_token", "top_k_experts"),
    **_same(2, "moe_topk", "moe_k", "moe_top_k"),
    **_same(1, "n_shared_experts", "num_shared_experts", "num_shared_expert", "moe_num_shared_experts"),
    **_same(1, "first_k_dense_replace", "num_dense_layers"),
    **_same(1, "n_group", "topk_group", "moe_layer_freq", "decoder_sparse_step", "num_expert_group"),
    **_same(
        EXPERT_FEED_FORWARD, "moe_intermediate_size", "expert_ffn_hidden_size", "shared_intermediate_size",
        "shared_expert_intermediate_size", "moe_shared_expert_intermediate_size", "share_expert_dim",
    ),
    "routed_scaling_factor": 1.0,
    "norm_topk_prob": True,
    "scoring_func": "sigmoid",
    "topk_method": "noaux_tc",
    "mlp_only_layers": [],
}  # fmt: skip

LATENT_ATTENTION: dict[str, Any] = {
    **_same(32, "kv_lora_rank", "q_lora_rank", "o_lora_rank"),
    **_same(HEAD_DIM, "qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim"),
    "index_head_dim": 32,
    "index_n_heads": 2,
    "index_topk": 64,
}

RECURRENT: dict[str, Any] = {
    **_same(
        4, "conv_kernel", "mamba_d_conv", "linear_conv_kernel_dim", "short_conv_kernel_size", "conv1d_width"
    ),
    **_same(3, "conv_L_cache"),
    **_same(16, "state_size", "ssm_state_size", "mamba_d_state"),
    **_same(8, "mamba_n_heads", "mamba_num_heads"),
    **_same(HEAD_DIM, "mamba_d_head", "mamba_head_dim", "linear_key_head_dim", "linear_value_head_dim"),
    **_same(1, "n_groups", "mamba_n_groups"),
    **_same(2, "mamba_expand"),
    **_same(2, "linear_num_key_heads"),
    **_same(4, "linear_num_value_heads"),
    **_same(16, "mamba_chunk_size"),
    **_same(16, "a_low_rank_dim", "v_low_rank_dim", "gate_low_rank_dim", "decay_low_rank_dim"),
    "time_step_limit": [0.0, 10.0],
    "time_step_rank": 4,
}

# Only where the dataclass gives no default: there the default is what checkpoints use.
WHEN_REQUIRED: dict[str, Any] = {
    **_same(1e-5, "rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "norm_eps", "layernorm_epsilon"),
    **_same(10000.0, "rotary_emb_base", "rope_local_base_freq", "swa_rope_theta"),
    **_same(0.5, "partial_rotary_factor", "rotary_pct"),
    **_same(1.0, "embedding_multiplier", "attention_multiplier", "residual_multiplier", "logits_scaling"),
    "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"},
    "layer_types": ["sliding_attention", "full_attention"],
    "use_qk_norm": True,
}

ALWAYS: dict[str, Any] = {**SIZES, **EXPERTS, **LATENT_ATTENTION, **RECURRENT}
