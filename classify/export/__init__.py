"""A trained head and its encoder as one ONNX graph, from waveforms to logits."""
