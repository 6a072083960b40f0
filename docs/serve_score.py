"""Scores a row of CSV that is sent to port 8000: python serve_score.py run/export/score.onnx"""
import csv, json, sys, wsgiref.simple_server, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1])
columns = json.loads(session.get_modelmeta().custom_metadata_map["columns"])
def serve(request, start):
    cells = next(csv.reader([request["wsgi.input"].read(int(request["CONTENT_LENGTH"])).decode()]))
    row = [of["levels"].index(cell) if cell and of["levels"] else float(cell or "nan") for of, cell in zip(columns, cells)]
    score, anomaly = session.run(["score", "anomaly"], {"rows": numpy.float32([row])})
    start("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"score": float(score[0]), "anomaly": bool(anomaly[0])}).encode()]
wsgiref.simple_server.make_server("127.0.0.1", 8000, serve).serve_forever()
