"""MLflow's own client delivers points read from stdin, one way or another: mlflow_peer.py URI WAY COUNT

stdin: lines "key value timestamp step". Prints JSON: seconds until all is on the server, and seconds of each call as the training sees it.
"""
import json
import sys
import time

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric

uri, way, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
points = []
for line in sys.stdin:
    key, value, timestamp, step = line.split()
    points.append((key, float(value), int(timestamp), int(step)))
points = points[:count]
mlflow.set_tracking_uri(uri)
client = MlflowClient()
experiment = client.get_experiment_by_name("bench-python")
experiment_id = experiment.experiment_id if experiment else client.create_experiment("bench-python")
run_id = client.create_run(experiment_id).info.run_id
calls = []
begun = time.perf_counter()
if way == "log_batch":
    for at in range(0, len(points), 1000):
        start = time.perf_counter()
        client.log_batch(run_id, metrics=[Metric(*point) for point in points[at : at + 1000]])
        calls.append(time.perf_counter() - start)
elif way == "log_metric":
    for point in points:
        start = time.perf_counter()
        client.log_metric(run_id, *point)
        calls.append(time.perf_counter() - start)
else:
    for point in points:
        start = time.perf_counter()
        client.log_metric(run_id, *point, synchronous=False)
        calls.append(time.perf_counter() - start)
    mlflow.flush_async_logging()
seconds = time.perf_counter() - begun
client.set_terminated(run_id)
calls.sort()
print(json.dumps({"run": run_id, "seconds": seconds, "call": calls[len(calls) // 2]}))
