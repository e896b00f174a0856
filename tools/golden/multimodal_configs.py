"""Tiny configurations of multimodal models, from transformers' public config classes, and their tokenizer; the folders in tests/multimodal
are made of them (multimodal.py)."""
import tokenizers
import transformers as T

VOCAB, HIDDEN = 256, 64
TEXT = dict(vocab_size=VOCAB, hidden_size=HIDDEN, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
            head_dim=16, max_position_embeddings=128, bos_token_id=1, eos_token_id=2, pad_token_id=0)


def tokenizer():
    """A letter is a token. Tokens that no text has fill the vocabulary, so that each id can be printed."""
    special = {"<pad>": 0, "<bos>": 1, "<eos>": 2, "<image_soft_token>": 250, "<start_of_image>": 251, "<end_of_image>": 252}
    letters = ["Ċ", "Ġ", *map(chr, range(33, 127))]   # a newline and a space, as the pre-tokenizer writes them
    ids = (i for i in range(VOCAB) if i not in special.values())
    vocab = {**dict(zip(letters, ids)), **{f"Ġ{i}": i for i in ids}, **special}
    t = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocab, merges=[]))
    t.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = tokenizers.decoders.ByteLevel()
    t.post_processor = tokenizers.processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 1)])
    t.add_special_tokens(list(special))
    return T.PreTrainedTokenizerFast(tokenizer_object=t, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>", extra_special_tokens={
        "image_token": "<image_soft_token>", "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>"})


def gemma3():
    """One layer with a sliding window, one without; 16 image patches pooled to 4 tokens."""
    text = T.Gemma3TextConfig(**TEXT, sliding_window=16, layer_types=["sliding_attention", "full_attention"], query_pre_attn_scalar=16)
    vision = T.SiglipVisionConfig(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2, image_size=32,
                                  patch_size=8)
    config = T.Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4, image_token_index=250, boi_token_index=251,
                            eoi_token_index=252)
    processor = {"do_resize": True, "do_rescale": True, "rescale_factor": 1 / 255, "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
                 "image_seq_length": 4, "do_normalize": True,
                 "image_processor_type": "Gemma3ImageProcessor", "processor_class": "Gemma3Processor", "resample": 2,
                 "size": {"height": 32, "width": 32},
                 "do_pan_and_scan": None}
    return config, processor


def voxtral():
    """64 frames of 16 mel bins make 8 tokens; the encoder takes several chunks of audio at once."""
    audio = T.VoxtralEncoderConfig(num_mel_bins=16, hidden_size=32, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
                                   num_key_value_heads=2, head_dim=16, max_source_positions=32)
    config = T.VoxtralConfig(audio_config=audio, text_config=T.LlamaConfig(**TEXT), audio_token_id=24)
    processor = {"chunk_length": 30, "feature_extractor_type": "WhisperFeatureExtractor", "feature_size": 16, "hop_length": 10, "n_fft": 40,
                 "n_samples": 640, "nb_max_frames": 64, "padding_side": "right", "padding_value": 0.0,
                 "processor_class": "VoxtralProcessor",
                 "return_attention_mask": False, "sampling_rate": 16000}
    return config, processor


def granite_speech():
    """Frames of 16 values, attention in blocks of 8; windows of 6 frames become 2 tokens."""
    encoder = T.GraniteSpeechEncoderConfig(input_dim=16, num_layers=2, hidden_dim=32, feedforward_mult=2, num_heads=2, dim_head=16,
                                           output_dim=24, context_size=8, max_pos_emb=16, conv_kernel_size=5, conv_expansion_factor=2)
    projector = T.Blip2QFormerConfig(vocab_size=VOCAB, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=48,
                                     encoder_hidden_size=32, cross_attention_frequency=1)
    text = T.GraniteConfig(**{k: v for k, v in TEXT.items() if k != "head_dim"}, embedding_multiplier=2.0, logits_scaling=2.0,
                           residual_multiplier=0.5, attention_multiplier=0.25)
    config = T.GraniteSpeechConfig(text_config=text, encoder_config=encoder, projector_config=projector, audio_token_index=250,
                                   has_lora_adapter=False, window_size=6, downsample_rate=3)
    processor = {"feature_extractor_type": "GraniteSpeechFeatureExtractor", "sampling_rate": 16000, "projector_window_size": 6,
                 "projector_downsample_rate": 3,
                 "melspec_kwargs": {"sample_rate": 16000, "n_fft": 64, "win_length": 40, "hop_length": 16, "n_mels": 8},
                 "processor_class": "GraniteSpeechProcessor"}
    return config, processor


TABLE = {"gemma3": gemma3, "voxtral": voxtral, "granite_speech": granite_speech}


# Models of other shapes of interface, made when a test runs: tiles beside the image, an image_sizes or a mask argument, frames last, a list
# of results.
VISION = dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8)
PLAIN = {k: v for k, v in TEXT.items() if k != "head_dim"}
OTHERS = {
    "llava": lambda: T.LlavaConfig(vision_config=T.CLIPVisionConfig(**VISION), text_config=T.LlamaConfig(**TEXT), image_token_index=250,
                                   vision_feature_layer=-1),
    "llava_next": lambda: T.LlavaNextConfig(vision_config=T.CLIPVisionConfig(**VISION), text_config=T.LlamaConfig(**TEXT),
                                            image_token_index=250, vision_feature_layer=-1, image_grid_pinpoints=[[32, 32]]),
    "mistral3": lambda: T.Mistral3Config(vision_config=T.PixtralVisionConfig(**VISION), text_config=T.MistralConfig(**TEXT),
                                         image_token_index=250, spatial_merge_size=2),
    "internvl": lambda: T.InternVLConfig(vision_config={**VISION, "image_size": [32, 32], "patch_size": [8, 8]},
                                         text_config=T.Qwen2Config(**PLAIN), image_token_id=250),
    "glmasr": lambda: T.GlmAsrConfig(audio_config=dict(hidden_size=32, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
                                                       num_mel_bins=16, max_position_embeddings=32), text_config=T.LlamaConfig(**TEXT),
                                                       audio_token_id=250),
}
