"""The picture of the page: python docs/screenshot.py ADDRESS RECORDING PICTURE.png

ADDRESS is what 'python -m classify serve' prints; Chromium has to be on this machine.
"""

import shutil
import sys

from playwright.sync_api import sync_playwright

WIDTH, HEIGHT = 820, 1120  # CSS pixels

if __name__ == "__main__":
    address, recording, picture = sys.argv[1:]
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(address)
        page.get_by_text("Record, or drop a WAV").wait_for()
        page.locator("input[type=file]").set_input_files(recording)
        page.locator(".prediction img").wait_for()
        page.get_by_text("0:00").first.wait_for()  # the player has drawn its waveform
        page.mouse.move(0, 0)
        page.screenshot(path=picture, animations="disabled")
        browser.close()
