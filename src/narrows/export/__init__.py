"""Models as files that run without narrows: ONNX, and torch's own."""
