"""Tiny random models of any architecture of transformers, from its config class alone, and what PyTorch eager says about them.

    tiny(model_type, task)      a seeded model in eval mode: the class's default config with every size made small
    cases(model, task)          [(method, inputs, outputs)]: the calls of the exported program in order, and eager's outputs

A config class names its sizes by convention; SMALL holds the conventions, MORE what an architecture needs beyond them.
"""
import dataclasses

import torch
import transformers as T
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

AUTO = {"text-generation": "AutoModelForCausalLM", "fill-mask": "AutoModelForMaskedLM",
        "image-classification": "AutoModelForImageClassification", "object-detection": "AutoModelForObjectDetection",
        "text2text-generation": "AutoModelForSeq2SeqLM",
        "automatic-speech-recognition": "AutoModelForSpeechSeq2Seq", "ctc": "AutoModelForCTC",
        "audio-classification": "AutoModelForAudioClassification", "text-classification": "AutoModelForSequenceClassification",
        "token-classification": "AutoModelForTokenClassification", "image-segmentation": "AutoModelForSemanticSegmentation"}
NAMED = {"ctc": "automatic-speech-recognition"}  # tasks that share a name on the command line

VOCAB, LENGTH, IMAGE = 256, 128, 64
LIMIT = 4_000_000  # parameters of a tiny model

# Field name -> small value. A field that the class does not have is left out; one whose default is None stays None unless listed in FORCED.
SMALL = {}
for names, value in (
    ("hidden_size d_model n_embd dim embed_dim hidden_dim emb_dim", 64),
    ("intermediate_size ffn_dim d_ff n_inner ffn_hidden_size encoder_ffn_dim decoder_ffn_dim mlp_dim dense_intermediate_size "
     "ffn_intermediate_size pooler_hidden_size intermediate_size_mlp", 128),
    ("num_hidden_layers n_layer n_layers num_layers encoder_layers decoder_layers num_encoder_layers num_decoder_layers num_blocks "
     "layers", 2),
    ("num_attention_heads n_head n_heads num_heads encoder_attention_heads decoder_attention_heads num_encoder_attention_heads "
     "num_decoder_attention_heads encoder_num_attention_heads", 4),
    ("num_key_value_heads num_kv_heads", 2),
    ("vocab_size decoder_vocab_size", VOCAB),
    ("max_position_embeddings n_positions n_ctx max_seq_len max_sequence_length max_target_positions context_length seq_length", LENGTH),
    ("head_dim d_kv attention_head_size kv_channels qk_nope_head_dim v_head_dim global_head_dim", 16),
    ("qk_rope_head_dim", 8),
    ("q_lora_rank kv_lora_rank", 16),
    ("num_experts num_local_experts n_routed_experts moe_num_experts", 4),
    ("num_experts_per_tok num_experts_per_token moe_k moe_top_k", 2),
    ("moe_intermediate_size shared_expert_intermediate_size moe_shared_expert_intermediate_size shared_intermediate_size "
     "expert_ffn_hidden_size", 32),
    ("n_group topk_group n_shared_experts", 1),
    ("embedding_size", 32),
    ("image_size", IMAGE), ("patch_size", 16),
):
    SMALL.update(dict.fromkeys(names.split(), value))
TOKENS = dict(pad_token_id=0, bos_token_id=1, eos_token_id=2)
# Set also where the class's default is None.
FORCED = {"head_dim", "num_experts_per_tok", "n_routed_experts", "n_shared_experts", "moe_intermediate_size", "n_group", "topk_group"}

# What an architecture needs beyond the conventions: values of its config class.
_HYBRID = dict(num_hidden_layers=2, layer_types=["linear_attention", "full_attention"])
_MAMBA2 = dict(mamba_n_heads=8, mamba_d_head=16, mamba_d_state=16, mamba_n_groups=2, mamba_chunk_size=16)
_LINEAR = dict(linear_num_key_heads=2, linear_num_value_heads=4, linear_key_head_dim=16, linear_value_head_dim=16)
_DECODER = dict(is_decoder=True)
MORE = {
    "codegen": dict(rotary_dim=8), "gptj": dict(rotary_dim=8),
    "gpt_neo": dict(attention_types=[[["global", "local"], 1]], window_size=4),
    "mamba2": dict(num_heads=8, head_dim=16, n_groups=2, state_size=16, chunk_size=16),
    "bamba": dict(_MAMBA2, attn_layer_indices=[1]), "falcon_h1": dict(_MAMBA2, mamba_d_ssm=128),
    "granitemoehybrid": dict(_MAMBA2, layers_block_type=["mamba", "attention"]),
    "zamba2": dict(_MAMBA2, num_hidden_layers=4, layers_block_type=["mamba", "hybrid", "mamba", "hybrid"]),
    "nemotron_h": dict(mamba_num_heads=8, mamba_head_dim=16, n_groups=2, ssm_state_size=16, chunk_size=16),
    "jamba": dict(num_hidden_layers=4, attn_layer_period=2, attn_layer_offset=1, expert_layer_period=2, expert_layer_offset=1),
    "qwen3_next": dict(_HYBRID, **_LINEAR), "qwen3_5_text": dict(_HYBRID, **_LINEAR), "qwen3_5_moe_text": dict(_HYBRID, **_LINEAR),
    "olmo_hybrid": dict(_HYBRID, **_LINEAR), "qwen4_exp_text": dict(_HYBRID, **_LINEAR),
    "kimi_linear": dict(_HYBRID, linear_head_dim=16, linear_num_heads=4, num_local_experts=4),
    "lfm2": dict(layer_types=["conv", "full_attention"]), "lfm2_moe": dict(layer_types=["conv", "full_attention"], num_dense_layers=1),
    "dbrx": dict(attn_config=dict(kv_n_heads=2, rope_theta=10000.0, clip_qkv=8.0),
                 ffn_config=dict(ffn_hidden_size=64, moe_num_experts=4, moe_top_k=2)),
    "nemotron": dict(num_key_value_heads=2), "roc_bert": dict(_DECODER, pronunciation_vocab_size=64, shape_vocab_size=64),
    "xmod": dict(_DECODER, languages=["en_XX"], default_language="en_XX"),
    "minimax": dict(_HYBRID, block_size=16),
    "recurrent_gemma": dict(num_hidden_layers=3, lru_width=64, attention_window_size=64),
    "rwkv": dict(attention_hidden_size=64),
    "xlstm": dict(hidden_size=128, num_heads=4, embedding_dim=128, num_blocks=2, num_hidden_layers=2),
    "cpmant": dict(dim_head=16, dim_ff=128),
    "longcat_flash": dict(qk_head_dim=24, head_dim=8, moe_topk=2, zero_expert_num=2),
    "llama4_text": dict(intermediate_size_mlp=128, num_local_experts=4, num_hidden_layers=2, attention_chunk_size=4),
    "bailing_hybrid": dict(_HYBRID), "lfm3": dict(_HYBRID, layer_types=["conv", "full_attention"]),
    # audio
    **{kind: dict(conv_dim=(16, 16, 16), conv_stride=(5, 4, 4), conv_kernel=(10, 4, 4), num_feat_extract_layers=3,
                  num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=4, classifier_proj_size=32)
       for kind in ("wav2vec2", "hubert", "wavlm", "unispeech", "unispeech-sat", "data2vec-audio", "wav2vec2-conformer")},
    "sew": dict(conv_dim=(16, 16, 16), conv_stride=(5, 4, 4), conv_kernel=(10, 4, 4), num_feat_extract_layers=3, num_conv_pos_embeddings=8,
                num_conv_pos_embedding_groups=4, classifier_proj_size=32),
    "wav2vec2-bert": dict(feature_projection_input_dim=32, conv_depthwise_kernel_size=7, classifier_proj_size=32),
    "audio-spectrogram-transformer": dict(max_length=64, num_mel_bins=32, patch_size=16),
    "speech_to_text": dict(num_mel_bins=16, input_feat_per_channel=16, conv_channels=32, max_source_positions=64, max_target_positions=64),
    # vision
    "bit": dict(hidden_sizes=(16, 32), depths=(1, 1), embedding_size=16, num_groups=4),
    "convnext": dict(hidden_sizes=(16, 32), depths=(1, 2), num_stages=2, layer_scale_init_value=0.5),
    "convnextv2": dict(hidden_sizes=(16, 32), depths=(1, 2), num_stages=2),
    "resnet": dict(hidden_sizes=(16, 32), depths=(1, 2), embedding_size=16),
    "regnet": dict(hidden_sizes=(16, 32), depths=(1, 2), embedding_size=16, groups_width=8),
    "hiera": dict(image_size=(64, 64), embed_dim=16, depths=(1, 1, 1), num_heads=(1, 2, 2), num_query_pool=2, masked_unit_size=(4, 4),
                  masked_unit_attention=(True, True, False)),
    "hgnet_v2": dict(stem_channels=(3, 8, 8), stage_in_channels=(8, 16, 32, 32), stage_mid_channels=(8, 8, 16, 16),
                     stage_out_channels=(16, 32, 32, 64), stage_num_blocks=(1, 1, 1, 1), stage_numb_of_layers=(2, 2, 2, 2),
                     hidden_sizes=(16, 32, 32, 64), embedding_size=16),
    "levit": dict(hidden_sizes=(32, 48, 64), num_attention_heads=(2, 3, 4), depths=(1, 1, 1), key_dim=(8, 8, 8)),
    "poolformer": dict(depths=(1, 1, 1, 1), hidden_sizes=(16, 32, 32, 64), layer_scale_init_value=0.5),
    "textnet": dict(hidden_sizes=(8, 8, 16, 16, 32), stem_out_channels=8, image_size=(64, 64)),
    "swinv2": dict(embed_dim=32, depths=(1, 1), num_heads=(2, 4), window_size=4, pretrained_window_sizes=(0, 0)),
    "donut-swin": dict(embed_dim=32, depths=(1, 1), num_heads=(2, 4), window_size=4),
    "pvt_v2": dict(depths=(1, 1, 1, 1), hidden_sizes=(16, 16, 32, 32), num_attention_heads=(1, 1, 2, 2)),
    "segformer": dict(depths=(1, 1, 1, 1), hidden_sizes=(16, 16, 32, 32), num_attention_heads=(1, 1, 2, 2), decoder_hidden_size=32),
    "swiftformer": dict(depths=(1, 1, 1, 1), embed_dims=(16, 16, 32, 32)),
    "siglip": dict(vision_config=dict(hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, image_size=64),
                   text_config=dict(hidden_size=64, intermediate_size=128, num_hidden_layers=1, num_attention_heads=4, vocab_size=256)),
    "clip": dict(vision_config=dict(hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, image_size=64),
                 text_config=dict(hidden_size=64, intermediate_size=128, num_hidden_layers=1, num_attention_heads=4, vocab_size=256)),
    "mobilenet_v1": dict(depth_multiplier=0.25), "mobilenet_v2": dict(depth_multiplier=0.25),
    "yolos": dict(image_size=(64, 64), num_detection_tokens=10),
    "imagegpt": dict(), "deit": dict(),
    "beit": dict(use_relative_position_bias=True, image_size=64, patch_size=16), "data2vec-vision": dict(use_relative_position_bias=True),
    "esm": dict(vocab_size=VOCAB, pad_token_id=1, emb_layer_norm_before=False, token_dropout=True, mask_token_id=4),
    "squeezebert": dict(embedding_size=64), "funnel": dict(block_sizes=[1, 1], d_head=16, n_head=4, d_inner=128),
    "luke": dict(entity_vocab_size=64, entity_emb_size=32),
    "bert": _DECODER, "bert-generation": _DECODER, "big_bird": dict(_DECODER, attention_type="original_full"), "camembert": _DECODER,
    "data2vec-text": _DECODER, "electra": _DECODER, "ernie": _DECODER, "megatron-bert": _DECODER, "rembert": _DECODER, "roberta": _DECODER,
    "roberta-prelayernorm": _DECODER, "roformer": _DECODER, "xlm-roberta": _DECODER, "xlm-roberta-xl": _DECODER,
}


def _fields(cls):
    return {f.name: f for f in dataclasses.fields(cls)}


def config(kind, task):
    cls = CONFIG_MAPPING[kind]
    fields = _fields(cls)
    values = {}
    for name, small in SMALL.items():
        if name in fields and isinstance(fields[name].default, int) and not isinstance(fields[name].default, bool):
            values[name] = min(small, fields[name].default)
        elif name in FORCED and name in fields and fields[name].default is None:
            values[name] = small
    if "kv_lora_rank" in fields and "num_key_value_heads" in values:  # latent attention: as many heads as queries
        values["num_key_value_heads"] = values["num_attention_heads"]
    for name, token in TOKENS.items():
        if name in fields and isinstance(fields[name].default, int):
            values[name] = token
    values.update({k: v for k, v in MORE.get(kind, {}).items() if task == "text-generation" or k != "is_decoder"})
    return cls(**values)


def tiny(kind, task, seed=0):
    torch.manual_seed(seed)
    c = config(kind, task)
    cls = getattr(T, AUTO[task])._model_mapping[type(c)]
    cls = cls[0] if isinstance(cls, (list, tuple)) else cls
    with torch.device("meta"):
        size = sum(p.numel() for p in cls(c).parameters())
    if size > LIMIT:
        raise ValueError(f"{size / 1e6:.1f} M parameters: MORE must make it smaller")
    model = cls(c).float().eval()
    g = torch.Generator().manual_seed(seed + 1)
    for _, p in model.named_parameters():  # random, also where the library initialises to 0 or 1; every path shows in the result
        if p.is_floating_point():
            fan_in = p.shape[1:].numel() if p.dim() >= 2 else 100
            p.data = p.data + 0.5 / fan_in ** 0.5 * torch.randn(p.shape, generator=g)
    for name, b in model.named_buffers():
        if "running_var" in name:
            b.data = 1 + 0.1 * torch.rand(b.shape, generator=g)
        elif "running_mean" in name:
            b.data = 0.1 * torch.randn(b.shape, generator=g)
    return model


def stored(folder, task):
    """The model of a folder, as the exporter sees it: some classes compute parts of their weights again instead of storing them."""
    return getattr(T, AUTO[task]).from_pretrained(folder, dtype=torch.float32).eval()


def _ids(n, seed=7):
    return torch.randint(3, VOCAB, (1, n), generator=torch.Generator().manual_seed(seed))


def _generation(model, single=False):
    """One pass over the whole text; the program gets it as a prefill of 8 and three steps, then a shorter text from the start."""
    out = []
    for ids, cuts in ((_ids(11), (0, 8, 9, 10, 11)), (_ids(6, 8), (0, 3, 5, 6))):
        want = model(input_ids=ids, use_cache=False).logits
        cuts = range(ids.shape[1] + 1) if single else cuts
        out += [("forward", [ids[:, a:b].contiguous(), torch.arange(a, b)], [want[:, a:b].contiguous()]) for a, b in zip(cuts, cuts[1:])]
    return out


def _masked(model):
    out = []
    for length in (8, 1, 5):
        ids, mask = _ids(length), torch.ones(1, length, dtype=torch.int64)
        if length == 5:
            mask[0, 3:] = 0
        out.append(("forward", [ids, mask], [model(ids, attention_mask=mask).logits]))
    return out


def _pixels(model):
    size, channels = getattr(model.config, "image_size", None) or IMAGE, getattr(model.config, "num_channels", 3)
    size = size if hasattr(size, "__len__") else (size, size)
    return torch.randn(1, channels, *size, generator=torch.Generator().manual_seed(7))


def _image(model):
    x = _pixels(model)
    return [("forward", [x], [model(x).logits])]


def _audio(model):
    """Two lengths where the input is samples or frames of any number; a spectrogram of the config's size else."""
    g = torch.Generator().manual_seed(7)
    frames, width = getattr(model.config, "max_length", None), getattr(model.config, "num_mel_bins", None)
    if isinstance(frames, int) and isinstance(width, int) and frames > 20:
        shapes = [(1, frames, width)]
    elif model.main_input_name == "input_values":
        shapes = [(1, 8000), (1, 4321)]
    else:
        width = getattr(model.config, "feature_projection_input_dim", None) or width
        shapes = [(1, 50, width), (1, 33, width)]
    out = []
    for shape in shapes:
        x = torch.randn(shape, generator=g)
        out.append(("forward", [x], [model(x).logits]))
    return out


def _detection(model):
    x = _pixels(model)
    out = model(x)
    return [("forward", [x], [t for t in out.to_tuple() if isinstance(t, torch.Tensor)])]


def _seq2seq(model):
    audio = model.main_input_name != "input_ids"
    g = torch.Generator().manual_seed(7)
    x = torch.randn(1, model.config.num_mel_bins, 2 * model.config.max_source_positions, generator=g) if audio else _ids(7)
    states = model.get_encoder()(x).last_hidden_state
    out, ids = [("encoder", [x], [states])], _ids(4, 8)
    for i in range(4):
        logits = model(**{model.main_input_name: x}, decoder_input_ids=ids[:, :i + 1]).logits[:, -1:].contiguous()
        out.append(("text_decoder", [ids[:, i:i + 1].contiguous(), states, torch.tensor([i])], [logits]))
    return [*out, ("sampler", [logits], [logits.argmax(-1)])]


CASES = {"text-generation": _generation, "fill-mask": _masked, "image-classification": _image, "object-detection": _detection,
         "text-classification": _masked, "token-classification": _masked, "image-segmentation": _image, "ctc": _audio,
         "audio-classification": _audio,
         "text2text-generation": _seq2seq, "automatic-speech-recognition": _seq2seq}


def cases(model, task, single=False):
    """single: the program takes one token a call."""
    with torch.no_grad():
        return CASES[task](model, single) if task == "text-generation" else CASES[task](model)


def recorded(calls):
    """In the naming of `etch verify`."""
    return {f"s{i}.{method}.{side}{k}": t.detach().contiguous().clone()
            for i, (method, ins, outs) in enumerate(calls) for side, tensors in (("in", ins), ("out", outs)) for k, t in enumerate(tensors)}
