"""Config values that the shared names cannot give, by mlx_lm module.

A model whose layers differ gets one layer of each kind, in the order real checkpoints have them.
"""

from typing import Any

ROPE: dict[str, Any] = {"rope_theta": 10000.0, "rope_type": "default"}
ROPE_PER_KIND: dict[str, Any] = {"sliding_attention": ROPE, "full_attention": ROPE}
YARN: dict[str, Any] = {
    "type": "yarn", "rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0,
    "original_max_position_embeddings": 512, "beta_fast": 32.0, "beta_slow": 1.0,
    "mscale": 1.0, "mscale_all_dim": 1.0,
}  # fmt: skip
LLAMA3_ROPE: dict[str, Any] = {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 512,
}  # fmt: skip
LONG_ROPE: dict[str, Any] = {
    "type": "longrope", "rope_type": "longrope", "original_max_position_embeddings": 512,
    "short_factor": [1.0] * 8, "long_factor": [2.0] * 8,
}  # fmt: skip
LLAMA4_SCALED_YARN: dict[str, Any] = {**YARN, "llama_4_scaling_beta": 0.1}
SLIDING_THEN_FULL = ["sliding_attention", "full_attention"]
DELTA_THEN_LATENT: dict[str, Any] = {
    "kda_layers": [1], "full_attn_layers": [2], "num_heads": 4, "head_dim": 16, "short_conv_kernel_size": 4,
}  # fmt: skip

# Where ModelArgs leaves text_config undescribed: the module and dataclass that read it.
TEXT_ARGUMENTS: dict[str, tuple[str, str]] = {
    "gemma3": ("gemma3_text", "ModelArgs"),
    "gemma3n": ("gemma3n", "TextConfig"),
    "gemma4": ("gemma4_text", "ModelArgs"),
    "lfm2-vl": ("lfm2", "ModelArgs"),
    "mistral3": ("ministral3", "ModelArgs"),
    "muse_spark": ("muse_spark", "TextArgs"),
    "pixtral": ("llama", "ModelArgs"),
    "prism_hadamard_qwen35": ("qwen3_5", "TextModelArgs"),
    "qwen2_vl": ("qwen2", "ModelArgs"),
    "qwen3_5": ("qwen3_5", "TextModelArgs"),
    "qwen3_5_moe": ("qwen3_5", "TextModelArgs"),
    "qwen3_vl": ("qwen3", "ModelArgs"),
    "qwen3_vl_moe": ("qwen3_moe", "ModelArgs"),
}

# What `text_config.model_type` says where it is not `<family>_text`.
TEXT_TYPES: dict[str, str] = {
    "kimi_k25": "kimi_k2",
    "kimi_k3": "kimi_linear",
    "kimi_vl": "deepseek_v3",
    "lfm2-vl": "lfm2",
    "mistral3": "ministral3",
    "pixtral": "mistral",
    "prism_hadamard_qwen35": "qwen3_5_text",
}

GEMMA4_TEXT: dict[str, Any] = {
    "num_hidden_layers": 4, "num_kv_shared_layers": 2, "hidden_size_per_layer_input": 16,
    # Named, because a config with any expert field would need all of them.
    "num_experts": None, "top_k_experts": None, "moe_intermediate_size": None,
}  # fmt: skip
LFM2: dict[str, Any] = {
    "layer_types": ["conv", "full_attention"], "block_dim": 64, "block_multiple_of": 16,
    "block_ffn_dim_multiplier": 1.0, "block_auto_adjust_ff_dim": False,
}  # fmt: skip

OVERRIDES: dict[str, dict[str, Any]] = {
    "afm7": {"num_kv_reuse_layers": 1},
    "baichuan_m1": {"sliding_window_layers": [1], "conv_window": 2},
    "bailing_hybrid": {"group_norm_size": 2},
    "bailing_moe_linear": {"group_norm_size": 2},
    "dbrx": {
        "ffn_config": {"ffn_hidden_size": 32, "moe_num_experts": 4, "moe_top_k": 2},
        "attn_config": {"kv_n_heads": 2, "clip_qkv": 8.0, "rope_theta": 10000.0},
    },
    "deepseek_v2": {"rope_scaling": YARN},
    "deepseek_v41": {
        "num_hidden_layers": 3, "o_groups": 2, "hc_mult": 2, "compress_ratios": [0, 4, 4],
        "kv_source_layer_ids": [1], "index_source_layer_ids": [1],
    },
    "exaone4": {
        "rope_scaling": LLAMA3_ROPE, "sliding_window_pattern": "LG", "layer_types": SLIDING_THEN_FULL,
    },
    "exaone_moe": {"is_moe_layer": [False, True]},
    "falcon_h1": {"mamba_d_ssm": 128},
    "gear": {"num_hidden_layers": 3, "layer_types": ["conv_mixer", *SLIDING_THEN_FULL]},
    "gemma4_text": GEMMA4_TEXT,
    "granitemoehybrid": {"layer_types": ["mamba", "attention"], "mamba_conv_bias": True},
    "hunyuan": {
        "cla_share_factor": 2, "use_cla": True, "use_mixed_mlp_moe": True,
        "rope_scaling": {"type": "dynamic", "factor": 1.0, "alpha": 1000.0},
    },
    "jamba": {
        "attn_layer_offset": 1, "attn_layer_period": 2, "expert_layer_offset": 1, "expert_layer_period": 2,
    },
    "kimi_linear": {"linear_attn_config": DELTA_THEN_LATENT},
    "laguna": {
        "layer_types": ["full_attention", "sliding_attention"], "rope_parameters": ROPE_PER_KIND,
    },
    "lfm2": LFM2,
    "lfm2_moe": {"layer_types": ["conv", "full_attention"], "use_expert_bias": True},
    "llama4_text": {"no_rope_layers": [1, 0]},
    "longcat_flash": {
        "attention_method": "MLA", "zero_expert_type": "identity", "zero_expert_num": 2,
        "mla_scale_q_lora": True, "mla_scale_kv_lora": True,
    },
    "longcat_flash_ngram": {
        "zero_expert_num": 2, "mla_scale_q_lora": True, "mla_scale_kv_lora": True,
        "ngram_vocab_size_ratio": 2, "emb_neighbor_num": 3, "emb_split_num": 2,
    },
    "mamba2": {"num_heads": 8},
    "mellum": {"rope_parameters": ROPE_PER_KIND},
    "mimo_v2_flash": {
        "hybrid_layer_pattern": [0, 1], "moe_layer_freq": [0, 1], "add_swa_attention_sink_bias": True,
        "swa_num_attention_heads": 4, "swa_num_key_value_heads": 2, "swa_head_dim": 16, "swa_v_head_dim": 16,
    },
    "minicpm": {"scale_depth": 1.4, "scale_emb": 12.0},
    "minicpm3": {"scale_depth": 1.4, "scale_emb": 12.0, "rope_scaling": LONG_ROPE},
    "ministral3": {"layer_types": SLIDING_THEN_FULL, "rope_parameters": LLAMA4_SCALED_YARN},
    "mistral4": {"rope_parameters": LLAMA4_SCALED_YARN},
    "muse_glimmer": {"layer_types": SLIDING_THEN_FULL, "layer_rope_theta": [10000.0, 0.0]},
    # transformers compares it with the text width while it loads the tokenizer.
    "muse_spark": {"audio_config": {"out_hidden_size": 64}},
    "nemotron": {"hidden_act": "relu2"},
    "nemotron-nas": {
        "num_hidden_layers": 3,
        "block_configs": [
            {"attention": {"n_heads_in_group": 2}, "ffn": {"ffn_mult": 2.0}},
            {"attention": {"no_op": True}, "ffn": {"ffn_mult": 1.0}},
            {"attention": {"n_heads_in_group": 2}, "ffn": {"no_op": True}},
        ],
    },
    "nemotron_h": {"num_hidden_layers": 4, "hybrid_override_pattern": "M*-E"},
    "olmo3": {"layer_types": SLIDING_THEN_FULL},
    "olmo_hybrid": {"layer_types": ["linear_attention", "full_attention"]},
    "openelm": {
        "ffn_dim_divisor": 16, "num_query_heads": [4, 4], "num_kv_heads": [2, 2],
        "ffn_multipliers": [1.0, 2.0],
    },
    "phi3small": {
        "dense_attention_every_n_layers": 2, "gegelu_limit": 20.0,
        # The module writes to fixed token ids up to 100351: with fewer rows it would corrupt memory.
        "vocab_size": 100352, "hidden_size": 32,
    },
    "plamo": {"n_shared_head": 2},
    "plamo2": {"full_attention_idx": [1]},
    "prism_hadamard_qwen35": {
        "schema_version": 2,
        "tensor_namespace": "mlx-vlm-qwen3_5",
        "quantization": {"bits": 2, "group_size": 128, "mode": "affine"},
        "modules": [
            {"path": "model.layers.0.mlp.down_proj", "embedding": False, "dtype": "float16", "block": 512},
        ],
    },
    "recurrent_gemma": {"block_types": ["recurrent", "attention"], "logits_soft_cap": 30.0},
    "spark2_5": {"layer_types": SLIDING_THEN_FULL, "rope_parameters": ROPE_PER_KIND},
    "step3p5": {
        "num_attention_groups": 2, "moe_layers_enum": "1",
        "layer_types": ["full_attention", "sliding_attention"],
        "attention_other_setting": {"num_attention_heads": 4, "num_attention_groups": 2},
    },
}  # fmt: skip

TEXT_OVERRIDES: dict[str, dict[str, Any]] = {
    "gemma3n": {
        "num_hidden_layers": 4, "num_kv_shared_layers": 2, "layer_types": SLIDING_THEN_FULL * 2,
        "activation_sparsity_pattern": [0.95, 0.0, 0.0, 0.0], "hidden_size_per_layer_input": 16,
        "altup_num_inputs": 2, "altup_coef_clip": 120.0, "altup_correct_scale": True, "altup_active_idx": 0,
        "laurel_rank": 16, "final_logit_softcapping": 30.0,
    },
    "gemma4": GEMMA4_TEXT,
    "kimi_k3": {
        "linear_attn_config": DELTA_THEN_LATENT, "activation_situ_beta": 1.0,
        "activation_situ_linear_beta": 1.0, "attn_res_block_size": 2,
    },
    "lfm2-vl": LFM2,
    "llama4": {
        "num_hidden_layers": 4, "interleave_moe_layer_step": 2, "num_experts_per_tok": 1,
        "rope_scaling": LLAMA3_ROPE,
    },
    "minimax_m3_vl": {
        "moe_layer_freq": [0, 1], "sparse_attention_freq": [0, 1], "index_block_size": 16,
        "index_topk_blocks": 2,
    },
    "mistral3": {"layer_types": SLIDING_THEN_FULL, "rope_parameters": LLAMA4_SCALED_YARN},
    "muse_spark": {
        "post_norm_eps": 1e-5, "layer_rope_theta": [10000.0, 0.0], "final_logit_softcapping": 20.0,
        "output_multiplier": 1.0, "moe_hidden_size": 64, "num_shared_experts": 0,
    },
    # Without experts: those are the model type with _moe.
    "qwen3_5": {"num_experts": 0, "rope_parameters": ROPE},
    "qwen3_5_moe": {"rope_parameters": ROPE},
    # Packed layers are at least 128 wide, rotated ones 512.
    "prism_hadamard_qwen35": {"num_experts": 0, "intermediate_size": 512, "rope_parameters": ROPE},
}  # fmt: skip
