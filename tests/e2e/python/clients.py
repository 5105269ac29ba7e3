"""Python's official Kubernetes client writes and watches: the dynamic client and CustomObjectsApi, on objects that tests/e2e/tests/python.rs cleans up.

The environment names everything: KUBECONFIG, CONTEXT, NS, and OWNER, a Coder user of this run's own.
"""

import json
import os
import threading
import time
import unittest

from kubernetes import client, config, dynamic, watch

GROUP = "aggregation.coder.com"
VERSION = "v1alpha1"
NAMESPACE = os.environ["NS"]
OWNER = os.environ["OWNER"]
PATIENCE = 90  # seconds; longer than any build takes on a loaded machine


def manifest(name, **spec):
    spec = {"organization": "coder", "templateName": "plain", **spec}
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "CoderWorkspace",
        "metadata": {"name": f"coder.{OWNER}.{name}"},
        "spec": spec,
    }


def is_ready(workspace, running=True):
    status = {c["type"]: c["status"] for c in workspace["status"]["conditions"]}
    return workspace["spec"]["running"] == running and status["Ready"] == "True"


def eventually(what, found):
    deadline = time.monotonic() + PATIENCE
    while not found():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.1)


class Clients(unittest.TestCase):
    def setUp(self):
        self.api = config.new_client_from_config(context=os.environ["CONTEXT"])
        self.addCleanup(self.api.close)

    def refused(self, code, reason, call, *arguments, **named):
        """The Status of a request that must be refused."""
        try:
            call(*arguments, **named)
        except (client.ApiException, dynamic.exceptions.DynamicApiError) as error:
            self.assertEqual(error.status, code, error.body)
            status = json.loads(error.body)
            self.assertEqual(status["reason"], reason)
            return status
        self.fail("it was not refused")

    def test_dynamic_client(self):
        api = dynamic.DynamicClient(self.api).resources.get(api_version=f"{GROUP}/{VERSION}", kind="CoderWorkspace")
        self.assertEqual(api.name, "coderworkspaces")
        body = manifest("dynamic", ttlMillis=3600000)
        name, place = body["metadata"]["name"], {"namespace": NAMESPACE}
        get = lambda: api.get(name=name, **place).to_dict()

        tried = api.create(body=body, dry_run="All", **place)
        self.assertEqual(tried.metadata.name, name)
        self.refused(404, "NotFound", get)
        made = api.create(body=body, **place)
        self.assertEqual(made.status.ownerName, OWNER)
        self.refused(409, "AlreadyExists", api.create, body=body, **place)
        eventually("it runs", lambda: is_ready(get()))

        change = {"metadata": {"name": name}, "spec": {"running": False}}
        # What this client sends when it is not told otherwise.
        status = self.refused(415, "UnsupportedMediaType", api.patch, body=change, **place)
        self.assertIn("application/merge-patch+json", status["message"])
        api.patch(body=change, content_type="application/merge-patch+json", **place)
        eventually("it is stopped", lambda: is_ready(get(), running=False))

        changed = get()
        changed["spec"]["ttlMillis"] = 7200000
        self.assertEqual(api.replace(body=changed, **place).spec.ttlMillis, 7200000)
        self.refused(409, "Conflict", api.replace, body=changed, **place)
        self.refused(422, "Invalid", api.patch, body={"metadata": {"name": name}, "spec": {"ttlMillis": 1}},
                     content_type="application/merge-patch+json", **place)

        applied = api.server_side_apply(body=manifest("dynamic", running=True), field_manager="e2e", **place)
        self.assertTrue(applied.spec.running)
        eventually("it runs again", lambda: is_ready(get()))
        self.assertEqual(get()["spec"]["ttlMillis"], 7200000)

        api.delete(name=name, body={"propagationPolicy": "Foreground"}, **place)
        gone = lambda: not api.get(field_selector=f"metadata.name={name}", **place).items
        eventually("it is gone", gone)

    def test_custom_objects(self):
        api = client.CustomObjectsApi(self.api)
        place = (GROUP, VERSION, NAMESPACE, "coderworkspaces")
        names = [manifest(name)["metadata"]["name"] for name in ("one", "two")]
        for name in ("one", "two"):
            api.create_namespaced_custom_object(*place, manifest(name), field_validation="Strict")
        status = self.refused(400, "BadRequest", api.create_namespaced_custom_object, *place,
                              manifest("three", runing=True), field_validation="Strict")
        self.assertIn('unknown field "spec.runing"', status["message"])
        get = lambda name: api.get_namespaced_custom_object(*place, name)
        for name in names:
            eventually("it runs", lambda: is_ready(get(name)))

        one = names[0]
        operations = [{"op": "add", "path": "/spec/ttlMillis", "value": 60000}]
        patched = api.patch_namespaced_custom_object(*place, one, operations, _content_type="application/json-patch+json")
        self.assertEqual(patched["spec"]["ttlMillis"], 60000)
        merged = api.patch_namespaced_custom_object(*place, one, {"spec": {"automaticUpdates": "always"}})
        self.assertEqual(merged["spec"]["automaticUpdates"], "always")
        scaled = api.patch_namespaced_custom_object_scale(*place, one, {"spec": {"replicas": 0}})
        self.assertEqual(scaled["kind"], "Scale")
        eventually("it is stopped", lambda: is_ready(get(one), running=False))
        self.assertEqual(api.get_namespaced_custom_object_scale(*place, names[1])["spec"]["replicas"], 1)

        replaced = get(one)
        replaced["spec"]["ttlMillis"] = 120000
        api.replace_namespaced_custom_object(*place, one, replaced)
        self.refused(409, "Conflict", api.replace_namespaced_custom_object, *place, one, replaced)

        selector = f"coder.com/owner={OWNER}"
        listed = lambda: api.list_namespaced_custom_object(*place, label_selector=selector)["items"]
        self.assertEqual([item["metadata"]["name"] for item in listed()], names)
        api.delete_namespaced_custom_object(*place, one)
        api.delete_collection_namespaced_custom_object(*place, label_selector=selector)
        eventually("all are gone", lambda: not listed())
        self.refused(404, "NotFound", get, one)

    def live(self, name):
        """A life of a workspace, in a thread of its own. It goes on when the watch has told of what was before: what comes in one moment may be told as one."""
        self.told = threading.Semaphore(0)
        api = client.CustomObjectsApi(config.new_client_from_config(context=os.environ["CONTEXT"]))
        place = (GROUP, VERSION, NAMESPACE, "coderworkspaces")
        body = manifest(name)
        full = body["metadata"]["name"]
        get = lambda: api.get_namespaced_custom_object(*place, full)

        def work():
            api.create_namespaced_custom_object(*place, body)
            eventually("it runs", lambda: is_ready(get()))
            self.told.acquire(timeout=PATIENCE)
            api.patch_namespaced_custom_object_scale(*place, full, {"spec": {"replicas": 0}})
            eventually("it is stopped", lambda: is_ready(get(), running=False))
            self.told.acquire(timeout=PATIENCE)
            api.delete_namespaced_custom_object(*place, full)

        thread = threading.Thread(target=work)
        thread.start()
        self.addCleanup(thread.join)
        return full

    def follows_a_life(self, watch_from, since, name):
        """Reads events, which are told once each and in order, until the object is gone; goes on where a watch has ended."""
        kinds, versions, deadline = [], [int(since)], time.monotonic() + PATIENCE
        while not kinds or kinds[-1] != "DELETED":
            self.assertLess(time.monotonic(), deadline, kinds)
            for event in watch_from(str(versions[-1])):
                found = event["raw_object"]
                self.assertEqual(found["metadata"]["name"], name)
                kinds.append(event["type"])
                self.told.release()
                versions.append(int(found["metadata"]["resourceVersion"]))
                if event["type"] == "DELETED":
                    break
        self.assertEqual(kinds[0], "ADDED")
        self.assertGreaterEqual(len(kinds), 3)
        self.assertEqual(set(kinds[1:-1]), {"MODIFIED"})
        self.assertEqual(versions, sorted(set(versions)))

    def test_watch(self):
        api = client.CustomObjectsApi(self.api)
        place = (GROUP, VERSION, NAMESPACE, "coderworkspaces")
        since = api.list_namespaced_custom_object(*place)["metadata"]["resourceVersion"]
        name = self.live("watched")
        # Without a time-out it goes on by itself where a watch has ended.
        watch_from = lambda version: watch.Watch().stream(
            api.list_namespaced_custom_object, *place, field_selector=f"metadata.name={name}",
            resource_version=version, _request_timeout=PATIENCE)
        self.follows_a_life(watch_from, since, name)

    def test_dynamic_watch(self):
        api = dynamic.DynamicClient(self.api).resources.get(api_version=f"{GROUP}/{VERSION}", kind="CoderWorkspace")
        since = api.get(namespace=NAMESPACE).metadata.resourceVersion
        name = self.live("dynamic-watched")
        watch_from = lambda version: api.watch(
            namespace=NAMESPACE, name=name, resource_version=version, timeout=PATIENCE)
        self.follows_a_life(watch_from, since, name)


if __name__ == "__main__":
    unittest.main(verbosity=2)
