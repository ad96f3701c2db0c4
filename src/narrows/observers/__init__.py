"""What is told of a fit while it goes on: observers of one's own, TensorBoard, MLflow."""
