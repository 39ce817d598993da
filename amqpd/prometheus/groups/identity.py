"""Metrics that say who the node is: dashboards join all others with them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from importlib.metadata import version

from amqpd.management.site import VERSION, Site
from amqpd.prometheus.families import Group, Labels, untyped
from amqpd.prometheus.scrape import Scrape

ERLANG_VERSION = "25.2.3"
"""The one that the HTTP API names: dashboards show it beside RabbitMQ's."""

CLUSTER_ID = "internal_cluster_id"
"""The global parameter in which RabbitMQ keeps the identity of a cluster."""


def _cluster_id(site: Site) -> str:
    """What stays the same for this broker: the id of the cluster its definitions came from, or one made of its place."""
    known = site.broker.global_parameters.get(CLUSTER_ID)
    if isinstance(known, str):
        return known
    place = f"{site.node}\0{site.machine.data_dir}".encode(errors="backslashreplace")
    digest = hashlib.sha256(place).digest()[:16]
    return "rabbitmq-cluster-id-" + base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _build_labels(scrape: Scrape) -> Labels:
    labels: list[tuple[str, str]] = [
        ("rabbitmq_version", VERSION),
        ("prometheus_plugin_version", VERSION),
        ("prometheus_client_version", version("prometheus_client")),
        ("erlang_version", ERLANG_VERSION),
    ]
    properties = scrape.site.parameters.server_properties
    product, product_version = str(properties["product"].value), str(properties["version"].value)
    if (product, product_version) != ("RabbitMQ", VERSION):
        labels += [("product_name", product), ("product_version", product_version)]
    return tuple(labels)


def _identity_labels(scrape: Scrape) -> Labels:
    site = scrape.site
    return (
        ("rabbitmq_node", site.node),
        ("rabbitmq_cluster", site.parameters.cluster_name),
        ("rabbitmq_cluster_permanent_id", _cluster_id(site)),
        # RabbitMQ 4 has this, and the dashboards for it select by it.
        ("rabbitmq_endpoint", scrape.endpoint),
    )


def _info(name: str, help: str, labels: Callable[[Scrape], Labels]) -> Group[Scrape, Scrape]:
    """What is told by labels alone."""
    return Group(
        name=name,
        is_always=True,
        things=lambda scrape: [scrape],
        always_by=labels,
        families=(untyped(name, help, lambda _scrape: 1),),
    )


BUILD_INFO = _info("build_info", "Versions, as the HTTP API tells them.", _build_labels)
IDENTITY_INFO = _info("identity_info", "Names of the node and its cluster.", _identity_labels)
