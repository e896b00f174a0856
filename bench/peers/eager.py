"""Times PyTorch eager on a model folder: one image (or 128 tokens), THREADS threads, RUNS calls. Prints one JSON object, milliseconds."""
import json
import sys
import time

import torch
import transformers

folder, threads, runs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(threads)
config = transformers.AutoConfig.from_pretrained(folder)
model = getattr(transformers, config.architectures[0]).from_pretrained(folder).eval()
if hasattr(config, "image_size"):
    inputs = {"pixel_values": torch.rand(1, 3, config.image_size, config.image_size) * 2 - 1}
elif hasattr(config, "encoder_layers"):
    model, inputs = model.get_encoder(), {"input_features": torch.rand(1, config.num_mel_bins, 2 * config.max_source_positions)}
else:
    inputs = {"input_ids": torch.ones(1, 128, dtype=torch.long), "attention_mask": torch.ones(1, 128, dtype=torch.long)}
ms = []
with torch.no_grad():
    for i in range(runs + 1):
        begin = time.perf_counter()
        model(**inputs)
        ms.append(1e3 * (time.perf_counter() - begin))
print(json.dumps({"ms": ms[1:]}))
