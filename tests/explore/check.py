"""Clicks through the page of `vae explore` in a headless Chromium.

    python3 tests/explore/check.py target/debug/vae [SCREENSHOTS]

Every control is used, by mouse or by key; what it must change is looked at. It needs Python 3.11 with numpy and selenium, and
Debian's packages chromium and chromium-driver. Exit code 1, with what failed, where something is wrong.
"""

import contextlib
import json
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import urllib.parse
import zlib

import numpy
from selenium import webdriver
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

VAE = str(pathlib.Path(sys.argv[1]).resolve())
SHOTS = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1200",
]


def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))


@contextlib.contextmanager
def explored(folder, arguments):
    """The address of a page."""
    command = [VAE, "explore", *arguments.split(), "--port", "0"]
    program = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield program.stdout.readline().strip()
    finally:
        program.terminate()
        program.wait()


class Page:
    def __init__(self, driver, address):
        self.driver, self.address = driver, address
        driver.get(address)
        self.until("the page is ready", lambda: self.js("return document.body.dataset.ready") == "yes")

    def js(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def __getitem__(self, name):
        return self.driver.find_element(By.ID, name)

    def until(self, what, holds, seconds=20):
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, f"not within {seconds} s: {what}; the page says `{self['message'].text}`"
            time.sleep(0.03)

    def code(self):
        return self.js("return Array.from(window.explorer.state.code)")

    def picture(self, place="picture"):
        script = """const canvas = document.querySelector(`#${arguments[0]} canvas`);
            return canvas ? Array.from(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data)
                : document.querySelector(`#${arguments[0]}`).textContent"""
        return self.js(script, place)

    def changes(self, what, action, of=None):
        """Does something after which the code, or `of`, is another."""
        of = of or self.code
        before = of()
        action()
        self.until(f"{what} changes something", lambda: of() != before)
        assert self["message"].text == "", self["message"].text

    def at(self, share_x, share_y):
        """A place of the map, from its middle."""
        size = self["map"].size
        return int((share_x - 0.5) * size["width"]), int((share_y - 0.5) * size["height"])

    def shot(self, name):
        if SHOTS:
            SHOTS.mkdir(parents=True, exist_ok=True)
            self.driver.save_screenshot(str(SHOTS / f"{name}.png"))


def key(page, letter):
    page.driver.switch_to.active_element.send_keys(letter)


def away(page):
    page.js("document.activeElement.blur()")


def sliders(page):
    order = page.js("return [...document.querySelectorAll('#sliders input')].map(of => Number(of.dataset.latent))")
    kl = page.js("return fetch('/api/atlas').then(of => of.json())")["latents"]["kl"]
    assert [kl[latent] for latent in order] == sorted(kl, reverse=True)[: len(order)], "the sliders are not in the order of their KL"
    first = page.driver.find_element(By.CSS_SELECTOR, "#sliders input")
    page.changes("a slider", lambda: first.send_keys(Keys.ARROW_RIGHT * 30))
    page.changes("dragging a slider", lambda: ActionChains(page.driver).drag_and_drop_by_offset(first, 40, 0).perform(), page.picture)
    if not page["all-sliders"].get_attribute("hidden"):
        page["all-sliders"].click()
        assert len(page.driver.find_elements(By.CSS_SELECTOR, "#sliders input")) == len(kl)
    page["reset"].click()
    page.until("all latents are at their mean", lambda: numpy.allclose(page.code(), page.js("return fetch('/api/atlas').then(of => of.json())")["latents"]["mean"], atol=1e-5))


def samples(page):
    page.changes("Sample", page["sample"].click)
    page.js("const of = arguments[0]; of.value = 0; of.dispatchEvent(new Event('input'))", page["temperature"])
    assert page["temperature-value"].text == "0"
    page["sample"].click()
    page.until("temperature 0 gives the middle of the prior", lambda: numpy.allclose(page.code(), 0))


def the_map(page):
    area = page["map"]
    chain = lambda: ActionChains(page.driver)
    # Hover decodes beside the pointer, and leaves the code alone.
    before = page.code()
    chain().move_to_element_with_offset(area, *page.at(0.4, 0.4)).perform()
    page.until("a preview is shown", lambda: page["hover"].is_displayed() and page["hover-picture"].size["height"] > 0)
    assert page.code() == before
    # Drag decodes all the way.
    drag = lambda: chain().move_to_element_with_offset(area, *page.at(0.3, 0.3)).click_and_hold().move_by_offset(60, 40).move_by_offset(40, 30).release().perform()
    page.changes("dragging over the map", drag)
    # A click on a point shows that example.
    point = page.js("const map = window.explorer.map; return map.toScreen(map.points[2 * 17], map.points[2 * 17 + 1])")
    size = area.size
    pick = lambda: chain().move_to_element_with_offset(area, int(point[0] - size["width"] / 2), int(point[1] - size["height"] / 2)).click().perform()
    page.changes("clicking a point", pick, lambda: page["example-name"].text)
    assert page.js("return window.explorer.map.marks.spread").__len__() == 3, "no ellipse"
    view = lambda: page.js("const of = window.explorer.map.view; return [of.x, of.y, of.scale]")
    page.changes("zooming in", page["zoom-in"].click, view)
    page.changes("zooming out", page["zoom-out"].click, view)
    page["mode"].click()
    page.changes("moving the map", drag, view)
    page["mode"].click()
    area.send_keys("")
    for keys in [Keys.ARROW_LEFT, Keys.ARROW_UP, "+", "-"]:
        page.changes(f"the key {keys!r} on the map", lambda: area.send_keys(keys), view)
    page.changes("the key 0 on the map", lambda: area.send_keys("0"), view)
    whole = view()
    page.changes("Move, then All", lambda: (area.send_keys(Keys.ARROW_DOWN), page["zoom-all"].click()), lambda: page.js("return window.explorer.map.frames"))
    assert numpy.allclose(view(), whole)
    page["show-holes"].click()
    assert page.js("return window.explorer.map.marks.holes.length") > 0
    assert re.search(r"Holes: \d+\.\d % of the prior", page["holes-text"].text)
    page["show-holes"].click()


def examples(page):
    name = lambda: page["example-name"].text
    page.changes("Next", page["next"].click, name)
    page.changes("Previous", page["previous"].click, name)
    page["number"].clear()
    page.changes("a number", lambda: page["number"].send_keys("42" + Keys.ENTER), name)
    assert page.js("return window.explorer.state.item") == 42
    page.until("neighbours are shown", lambda: len(page.driver.find_elements(By.CSS_SELECTOR, "#neighbours button")) >= 5)
    page.changes("a neighbour", page.driver.find_element(By.CSS_SELECTOR, "#neighbours button").click, name)
    page.until("outliers are shown", lambda: len(page.driver.find_elements(By.CSS_SELECTOR, "#outliers button")) > 10)
    page.changes("an outlier", page.driver.find_element(By.CSS_SELECTOR, "#outliers button").click, name)
    assert "squared error: mean" in page["errors-text"].text


def walks(page):
    page["set-a"].click()
    page.changes("the next example", page["next"].click)
    page["set-b"].click()
    for sphere in [False, True]:
        page["steps"].clear()
        page["steps"].send_keys("7" if sphere else "5")
        if sphere:
            page["spherical"].click()
        page["walk"].click()
        page.until("the walk is shown", lambda: len(page.driver.find_elements(By.CSS_SELECTOR, "#walk-strip button")) == (7 if sphere else 5))
    page.changes("a step of the walk", page.driver.find_elements(By.CSS_SELECTOR, "#walk-strip button")[3].click)


def keyboard(page):
    away(page)
    for letter in "snpz":
        page.changes(f"the key {letter}", lambda: key(page, letter))
    before = page.js("return document.activeElement.getAttribute('aria-label')")
    key(page, "j")
    first = page.js("return document.activeElement.getAttribute('aria-label')")
    assert first != before and first.startswith("latent"), first
    page.changes("an arrow on a slider", lambda: key(page, Keys.ARROW_RIGHT))
    key(page, "j")
    key(page, "k")
    assert page.js("return document.activeElement.getAttribute('aria-label')") == first
    key(page, "a")
    key(page, "n")
    time.sleep(0.3)
    key(page, "b")
    page["walk"].click()
    away(page)
    key(page, "w")
    key(page, "?")
    assert page["keys"].is_displayed()
    key(page, Keys.ESCAPE)
    assert not page["keys"].is_displayed()
    page["keys-button"].click()
    page.driver.find_element(By.CSS_SELECTOR, "#keys button").click()


def png(pixels):
    """A grey picture as a file."""
    def part(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = pixels.shape
    lines = b"".join(b"\0" + line.tobytes() for line in pixels)
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", zlib.compress(lines)) + part(b"IEND", b"")


def drop_picture(page, folder):
    pixels = numpy.zeros((60, 40), numpy.uint8)
    pixels[10:50, 17:23] = 255
    (folder / "a stroke.png").write_bytes(png(pixels))
    page.changes("a picture", lambda: page["file"].send_keys(str(folder / "a stroke.png")), lambda: page["example-name"].text)
    page.until("it was read", lambda: page["example-name"].text == "a stroke.png")
    assert max(page.picture("original")[0::4]) > 200, "the picture is not shown"
    page["set-a"].click()
    # Something that is no picture says so, and the page goes on.
    (folder / "note.txt").write_text("no picture")
    page["file"].send_keys(str(folder / "note.txt"))
    page.until("a refusal", lambda: "no picture" in page["message"].text)
    page.changes("the next example", page["next"].click)
    # By drag and drop, too.
    script = """const data = new DataTransfer();
        data.items.add(new File([Uint8Array.from(arguments[0])], "dragged.png"));
        document.dispatchEvent(new DragEvent("dragover", { dataTransfer: data, bubbles: true, cancelable: true }));
        document.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }))"""
    page.js(script, list((folder / "a stroke.png").read_bytes()))
    page.until("it was dropped", lambda: page["example-name"].text == "dragged.png")


def links(page):
    page.changes("an example", page["next"].click)
    page.changes("a sample", page["sample"].click)
    page["zoom-in"].click()
    page["link"].click()
    address = page.driver.current_url
    parts = urllib.parse.parse_qs(urllib.parse.urlparse(address).fragment)
    assert {"z", "m", "i"} <= parts.keys(), address
    code, view = page.code(), page.js("return window.explorer.map.view")
    page.driver.get("about:blank")
    again = Page(page.driver, address)
    again.until("the code of the link", lambda: numpy.allclose(again.code(), code, atol=1e-6))
    found = again.js("return window.explorer.map.view")
    assert numpy.allclose([found[of] for of in "x y scale".split()], [view[of] for of in "x y scale".split()], rtol=1e-4)
    # What is no link is no harm.
    for fragment in ["#z=%%%&m=1,a&i=99999999&c=77", "#i=-1&m=0,0,-5", "#z=AAAA"]:
        page.driver.get("about:blank")
        Page(page.driver, page.address + fragment)


def phone_and_dark(page):
    driver = page.driver
    back = lambda: page.js("return getComputedStyle(document.body).backgroundColor")
    page.changes("the theme", page["theme"].click, back)
    page.shot("dark")
    page.changes("the theme", page["theme"].click, back)
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True})
    driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    phone = Page(driver, page.address)
    assert phone.js("return document.documentElement.scrollWidth") <= 390, "it is wider than the window"
    for button in driver.find_elements(By.CSS_SELECTOR, "main button, nav button"):
        if button.is_displayed() and button.find_elements(By.XPATH, "ancestor::*[contains(@class, 'strip')]") == []:
            box = button.rect
            assert box["x"] >= 0 and box["x"] + box["width"] <= 390, button.text
    # A finger on the map decodes.
    phone.js("arguments[0].scrollIntoView({ block: 'center' })", phone["map"])
    box = phone.js("const of = arguments[0].getBoundingClientRect(); return [of.left + of.width / 3, of.top + of.height / 3]", phone["map"])
    touch = lambda kind, points: driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    def finger():
        touch("touchStart", [{"x": box[0], "y": box[1]}])
        for step in range(1, 6):
            touch("touchMove", [{"x": box[0] + 12 * step, "y": box[1] + 8 * step}])
        touch("touchEnd", [])
    phone.changes("a finger on the map", finger)
    phone.shot("phone")
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})


def latency(page, drags=150):
    """Milliseconds from moving a slider to the picture, median and 99th percentile."""
    script = """const done = arguments[arguments.length - 1], count = arguments[0], times = [];
        const slider = document.querySelector("#sliders input");
        const [low, high] = [Number(slider.min), Number(slider.max)];
        let began;
        const drag = () => {
            began = performance.now();
            slider.value = low + (high - low) * ((times.length * 7) % 100) / 100;
            slider.dispatchEvent(new Event("input", { bubbles: true }));
        };
        // The page says when the picture is drawn.
        const observer = new MutationObserver(() => {
            times.push(performance.now() - began);
            if (times.length < count) return setTimeout(drag, 5);
            observer.disconnect();
            done(times);
        });
        observer.observe(document.body, { attributeFilter: ["data-decode-ms"] });
        drag();"""
    page.driver.set_script_timeout(60)
    times = page.driver.execute_async_script(script, drags)
    return numpy.percentile(times, [50, 99])


def frames(page, seconds=3):
    """Frames a second while the map is moved."""
    script = """const [seconds, done] = [arguments[0], arguments[arguments.length - 1]], map = window.explorer.map;
        const first = map.frames, began = performance.now();
        const move = () => {
            map.shift(3, 1);
            if (performance.now() - began < 1000 * seconds) requestAnimationFrame(move);
            else done((map.frames - first) / ((performance.now() - began) / 1000));
        };
        move();"""
    return page.driver.execute_async_script(script, seconds)


def requests_stay(driver, origin):
    """No request leaves the origin of the page, and the page reports no error."""
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            url = message["params"]["request"]["url"]
            assert url.startswith((origin, "data:", "about:", "blob:")), f"a request went to {url}"
    errors = [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
    # A refusal that the page shows is logged as a failed request.
    errors = [error for error in errors if "/api/drop" not in error and "/api/items/" not in error]
    assert not errors, errors


def images(driver, folder):
    small = "--limit 1500 --epochs 2 --hidden 64 --latent 14 --threads 2 --quiet --out digits"
    subprocess.run([VAE, *small.split()], cwd=folder, check=True)
    with explored(folder, "digits") as address:
        page = Page(driver, address)
        page.shot("page")
        for check in [sliders, samples, the_map, examples, walks, keyboard]:
            check(page)
            print(f"images: {check.__name__}")
        drop_picture(page, folder)
        links(page)
        phone_and_dark(page)
        print("images: drop_picture, links, phone_and_dark")
        page = Page(driver, address)
        half, most = latency(page)
        print(f"from a slider to the picture: median {half:.1f} ms, 99th percentile {most:.1f} ms")
        requests_stay(driver, address)


def classes(driver, folder):
    run = "--variant cvae --limit 1500 --epochs 1 --hidden 32 --latent 3 --threads 2 --quiet --out cvae"
    subprocess.run([VAE, *run.split()], cwd=folder, check=True)
    with explored(folder, "cvae --method tsne --first 400") as address:
        page = Page(driver, address)
        choose = Select(page["class"])
        other = (page.js("return window.explorer.state.class") + 3) % 10
        page.changes("the class", lambda: choose.select_by_index(other), page.picture)
        area = page["map"]
        drag = lambda: ActionChains(driver).move_to_element_with_offset(area, *page.at(0.4, 0.5)).click_and_hold().move_by_offset(50, 20).release().perform()
        page.changes("dragging over a map by t-SNE", drag)
        requests_stay(driver, address)
    print("classes")


def table(driver, folder):
    rows = ["a,b,kind,c"] + [f"{i % 17 / 3:.2f},{i % 5},{['red', 'green'][i % 2]},{(i * i % 23) / 4:.2f}" for i in range(300)]
    (folder / "rows.csv").write_text("\n".join(rows))
    run = "--dataset rows.csv --epochs 2 --hidden 16 --latent 2 --batch-size 50 --threads 2 --quiet --out rows"
    subprocess.run([VAE, *run.split()], cwd=folder, check=True)
    with explored(folder, "rows --split all") as address:
        page = Page(driver, address)
        page.changes("an example", page["next"].click, lambda: page.picture("original"))
        page.changes("a sample", page["sample"].click, page.picture)
        (folder / "one.csv").write_text("kind,c,a,b\ngreen,1.5,2,\nred,0,1,3\n")
        page["file"].send_keys(str(folder / "one.csv"))
        page.until("rows were read", lambda: page["example-name"].text == "one.csv, the first of 2 rows")
        assert "green" in page.picture("original")
        (folder / "other.csv").write_text("kind,c,a\ngreen,1.5,2\n")
        page["file"].send_keys(str(folder / "other.csv"))
        page.until("the missing column is named", lambda: "`b`" in page["message"].text)
        requests_stay(driver, address)
    print("table")


def main():
    driver = browser()
    try:
        with tempfile.TemporaryDirectory() as place:
            for check in [images, classes, table]:
                check(driver, pathlib.Path(place))
    finally:
        driver.quit()


if __name__ == "__main__":
    main()
