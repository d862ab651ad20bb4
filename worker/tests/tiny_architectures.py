"""Configs of models small enough to build in milliseconds, one of every family that matters here."""

from typing import Any

VOCABULARY_SIZE = 320
CONTEXT_TOKENS = 2048

SHARED: dict[str, Any] = {
    "vocab_size": VOCABULARY_SIZE,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 128,
    "rms_norm_eps": 1e-5,
    "max_position_embeddings": CONTEXT_TOKENS,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
}
LATENT_ATTENTION: dict[str, Any] = {
    **SHARED,
    "num_key_value_heads": 4,
    "moe_intermediate_size": 32,
    "n_shared_experts": 1,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "routed_scaling_factor": 1.0,
    "kv_lora_rank": 32,
    "q_lora_rank": 32,
    "qk_rope_head_dim": 16,
    "qk_nope_head_dim": 16,
    "v_head_dim": 16,
    "topk_method": "noaux_tc",
    "scoring_func": "sigmoid",
    "norm_topk_prob": True,
    "n_group": 1,
    "topk_group": 1,
    "moe_layer_freq": 1,
    "first_k_dense_replace": 1,
    "attention_bias": False,
}
SPARSE_ATTENTION: dict[str, Any] = {"index_head_dim": 32, "index_n_heads": 2, "index_topk": 64}

ARCHITECTURES: dict[str, dict[str, Any]] = {
    "llama": {**SHARED, "model_type": "llama", "head_dim": 16},
    "qwen3": {**SHARED, "model_type": "qwen3", "head_dim": 16},
    "qwen3_moe": {
        **SHARED, "model_type": "qwen3_moe", "head_dim": 16, "num_experts": 4, "num_experts_per_tok": 2,
        "decoder_sparse_step": 1, "mlp_only_layers": [], "moe_intermediate_size": 32, "norm_topk_prob": True,
    },
    "glm4_moe": {
        **SHARED, "model_type": "glm4_moe", "head_dim": 16, "moe_intermediate_size": 32,
        "norm_topk_prob": True, "n_group": 1, "topk_group": 1, "n_shared_experts": 1, "n_routed_experts": 4,
        "routed_scaling_factor": 1.0, "num_experts_per_tok": 2, "first_k_dense_replace": 1,
        "rope_scaling": None, "use_qk_norm": True, "attention_bias": False, "partial_rotary_factor": 0.5,
    },
    "glm_moe_dsa": {
        **LATENT_ATTENTION, **SPARSE_ATTENTION, "model_type": "glm_moe_dsa",
        "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"},
    },
    "deepseek_v32": {**LATENT_ATTENTION, **SPARSE_ATTENTION, "model_type": "deepseek_v32"},
    "kimi_k2": {**LATENT_ATTENTION, "model_type": "kimi_k2"},
    "kimi_k25": {
        "model_type": "kimi_k25", "text_config": {**LATENT_ATTENTION, "model_type": "deepseek_v3"},
    },
    "minimax_m2": {
        **SHARED, "model_type": "minimax_m2", "head_dim": 16, "rotary_dim": 8, "num_local_experts": 4,
        "num_experts_per_tok": 2, "shared_intermediate_size": 0,
    },
    "gemma3_text": {
        **SHARED, "model_type": "gemma3_text", "head_dim": 16, "sliding_window": 32,
        "sliding_window_pattern": 2,
    },
    "gpt_oss": {
        **SHARED, "model_type": "gpt_oss", "head_dim": 16, "num_local_experts": 4, "num_experts_per_tok": 2,
        "sliding_window": 32, "intermediate_size": 64,
        "rope_scaling": {
            "rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0,
            "original_max_position_embeddings": 4096,
        },
        "layer_types": ["sliding_attention", "full_attention"],
    },
    "mamba2": {
        "model_type": "mamba2", "vocab_size": VOCABULARY_SIZE, "hidden_size": 64, "intermediate_size": 128,
        "num_hidden_layers": 2, "num_heads": 8, "head_dim": 16, "state_size": 16, "n_groups": 1,
        "conv_kernel": 4, "expand": 2, "layer_norm_epsilon": 1e-5, "use_bias": False, "use_conv_bias": True,
        "tie_word_embeddings": False, "time_step_limit": [0.0, 10.0], "time_step_rank": "auto",
        "residual_in_fp32": False, "chunk_size": 16, "rms_norm": True, "norm_before_gate": False,
    },
}  # fmt: skip
