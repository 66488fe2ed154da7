"""What a tracking server holds of one experiment, read with MLflow's own client, as JSON: read_back.py URI EXPERIMENT"""
import json
import sys

from mlflow import MlflowClient

client = MlflowClient(sys.argv[1])
experiment = client.get_experiment_by_name(sys.argv[2])
runs = client.search_runs([experiment.experiment_id], max_results=1000)


def files(run_id, path=None):
    for item in client.list_artifacts(run_id, path):
        if item.is_dir:
            yield from files(run_id, item.path)
        else:
            yield item.path


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
                "files": sorted(files(run.info.run_id)),
            }
            for run in runs
        ]
    )
)
