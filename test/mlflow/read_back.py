"""What a tracking server holds of one experiment, read with MLflow's own client, as JSON: read_back.py URI EXPERIMENT"""
import hashlib
import json
import os
import sys
import tempfile

import mlflow
from mlflow import MlflowClient

mlflow.set_tracking_uri(sys.argv[1])
client = MlflowClient()
experiment = client.get_experiment_by_name(sys.argv[2])
runs = client.search_runs([experiment.experiment_id], max_results=1000)


def files(uri):
    """Of all artifacts there: SHA-256 by path."""
    digests = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            root = mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=folder)
        except Exception:
            # A run without any.
            return {}
        for within, _, names in os.walk(root):
            for name in names:
                path = os.path.join(within, name)
                with open(path, "rb") as file:
                    digests[os.path.relpath(path, root)] = hashlib.sha256(file.read()).hexdigest()
    return digests


models = [
    {
        "id": model.model_id,
        "name": model.name,
        "run": model.source_run_id,
        "type": model.model_type,
        "status": str(model.status),
        "params": model.params,
        "tags": model.tags,
        "files": files(f"models:/{model.model_id}"),
    }
    for model in client.search_logged_models([experiment.experiment_id])
]

print(
    json.dumps(
        [
            {
                "id": run.info.run_id,
                "name": run.info.run_name,
                "status": run.info.status,
                "params": run.data.params,
                "tags": run.data.tags,
                "metrics": {
                    key: [
                        [point.step, point.timestamp, str(point.value)]
                        for point in client.get_metric_history(run.info.run_id, key)
                    ]
                    for key in run.data.metrics
                },
                "datasets": [
                    [item.dataset.name, item.dataset.digest] for item in run.inputs.dataset_inputs
                ],
                "files": files(f"runs:/{run.info.run_id}/"),
                "models": [model for model in models if model["run"] == run.info.run_id],
                # A search leaves them out.
                "uses": [
                    used.model_id
                    for used in client.get_run(run.info.run_id).inputs.model_inputs
                ],
                "made": [made.model_id for made in run.outputs.model_outputs],
            }
            for run in runs
        ]
    )
)
