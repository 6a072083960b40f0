"""Scores rows of CSV that are sent to port 8000: python serve_score.py run/export/score.onnx"""
import csv, http.server, json, sys, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1])
columns = json.loads(session.get_modelmeta().custom_metadata_map["columns"])
class Score(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        cells = next(csv.reader([self.rfile.read(int(self.headers["content-length"])).decode()]))
        row = [of["levels"].index(cell) if cell and of["levels"] else float(cell or "nan") for of, cell in zip(columns, cells)]
        score, anomaly = session.run(["score", "anomaly"], {"rows": numpy.float32([row])})
        answer = {"score": float(score[0]), "anomaly": bool(anomaly[0])}
        self.send_response(200), self.end_headers(), self.wfile.write(json.dumps(answer).encode())
http.server.HTTPServer(("127.0.0.1", 8000), Score).serve_forever()
