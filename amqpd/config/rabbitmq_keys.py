"""RabbitMQ's configuration keys that change nothing here, and why: of version 3.10.8, its plugins, and what 4.3.5 added.

A part that honours one of these keys adds a setting for it, and takes it out of here.
"""

from dataclasses import dataclass

from amqpd.config.mistakes import INFO, WARNING


@dataclass(frozen=True, slots=True)
class Group:
    """Keys that have no effect for the same reason, which the log names at this level.

    A line of `keys` is a list of keys, or has before a colon what all of the line begin with. A star stands for a name
    that users choose.
    """

    reason: str
    level: str
    keys: str

    def patterns(self) -> list[str]:
        """Every key, in full."""
        patterns: list[str] = []
        for line in self.keys.strip().splitlines():
            before, colon, names = line.rpartition(": ")
            patterns += [f"{before}.{name}" if colon else name for name in names.split()]
        return patterns


TLS = Group(
    "not part of amqpd's TLS",
    WARNING,
    """
num_acceptors.ssl ssl_allow_poodle_attack ssl_options ssl_options.cacerts.*
ssl_options.crl_sources.* trust_store.providers.*
trust_store.ssl_options.cacerts.* trust_store.ssl_options.ciphers.* trust_store.ssl_options.versions.*
ssl_options: bypass_pem_cache cert client_renegotiation crl_check dh
ssl_options: honor_ecc_order log_alert log_level
ssl_options: psk_identity reuse_sessions secure_renegotiate
ssl_options.crl_sources.*: path timeout
ssl_options.key: DSAPrivateKey PrivateKeyInfo RSAPrivateKey
trust_store: directory https_request_timeout refresh_interval ssl_options url
trust_store.ssl_options: cacertfile cert certfile client_renegotiation crl_check depth dh dhfile
trust_store.ssl_options: fail_if_no_peer_cert honor_cipher_order keyfile log_alert password psk_identity
trust_store.ssl_options: reuse_sessions secure_renegotiate verify
trust_store.ssl_options.key: DSAPrivateKey PrivateKeyInfo RSAPrivateKey
""",
)

DEFINITIONS = Group(
    "definitions come from files, by load_definitions",
    WARNING,
    """
definitions.hashing.algorithm definitions.https.url definitions.tls.cacerts.* definitions.tls.ciphers.*
definitions.tls.versions.*
default_limits.vhosts.*: max_connections max_queues pattern
default_policies.operator.*: apply_to delivery_limit expires max_in_memory_bytes max_in_memory_length
default_policies.operator.*: max_length max_length_bytes message_ttl queue_pattern vhost_pattern
default_policies.operator.*.classic_queues: ha_mode ha_params ha_sync_mode queue_version
default_users.*: configure password read tags vhost_pattern write
definitions: import_backend skip_if_unchanged
definitions.tls: cacertfile cert certfile crl_check depth dh fail_if_no_peer_cert keyfile log_alert
definitions.tls: log_level password reuse_session reuse_sessions secure_renegotiate verify
""",
)

MANAGEMENT = Group(
    "the management API has no such setting",
    WARNING,
    """
http_dispatch.access_log_dir http_dispatch.auth_backends.* management.cors.allow_origins.*
management.csp.policy management.definitions.require_json_extension management.hsts.policy
management.listener.ssl_opts.cacerts.*
management.oauth_authorization_endpoint_params.*
management.oauth_resource_servers.*.oauth_authorization_endpoint_params.*
management.oauth_resource_servers.*.oauth_token_endpoint_params.*
management.oauth_token_endpoint_params.* management.restrictions.operator_policy_changes.disabled
management.restrictions.quorum_queue_replica_operations.disabled
management.sample_retention_policies.*.*
http_dispatch.auth_backends.*: authn authz
management.cors: allow_origins max_age
management: credential_encryption_secret db_cache_multiplier delegate_count disable_basic_auth
management: disable_stats enable_queue_totals enable_uaa http_log_dir login_session_timeout
management: oauth_client_id oauth_client_secret oauth_disable_basic_auth oauth_enabled
management: oauth_initiated_logon_type oauth_metadata_url oauth_provider_url oauth_response_type
management: oauth_scopes path_prefix rates_mode require_auth_for_api_reference test_config
management: uaa_client_id uaa_client_secret uaa_location
management.headers: content_type_options frame_options referrer_policy xss_protection
management.http: hide_allow_header max_body_size
management.listener: ssl_opts
management.listener.server: compress idle_timeout inactivity_timeout max_keepalive request_timeout
management.listener.server: shutdown_timeout
management.listener.ssl_opts: cert client_renegotiation crl_check dh dhfile honor_ecc_order log_alert
management.listener.ssl_opts: psk_identity reuse_sessions secure_renegotiate
management.listener.ssl_opts.key: DSAPrivateKey PrivateKeyInfo RSAPrivateKey
management.oauth_resource_servers.*: disabled id label oauth_client_id oauth_client_secret
management.oauth_resource_servers.*: oauth_initiated_logon_type oauth_metadata_url oauth_provider_url
management.oauth_resource_servers.*: oauth_response_type oauth_scopes
management.ssl: backlog client_renegotiation compress honor_ecc_order idle_timeout inactivity_timeout
management.ssl: max_connections max_keepalive request_timeout reuse_sessions secure_renegotiate shutdown_timeout
management.tcp: compress idle_timeout inactivity_timeout max_connections max_keepalive
management.tcp: request_timeout shutdown_timeout
tracing: dir password username
""",
)

METRICS = Group(
    "metrics have no such setting",
    WARNING,
    """
prometheus.authentication.enabled
prometheus.ssl: backlog client_renegotiation compress honor_ecc_order idle_timeout inactivity_timeout
prometheus.ssl: max_connections max_keepalive request_timeout reuse_sessions secure_renegotiate shutdown_timeout
prometheus.tcp: compress idle_timeout inactivity_timeout listener max_connections max_keepalive
prometheus.tcp: request_timeout shutdown_timeout
""",
)

LOGGING = Group(
    "the log goes to the console and to files, as text or JSON",
    WARNING,
    """
log.console.formatter.plaintext.format log.exchange.formatter.plaintext.format
log.file.formatter.plaintext.format log.syslog.formatter.plaintext.format
log.syslog.ssl_options.cacerts.* log.syslog.ssl_options.versions.*
log.channel.rotation: compress count date size
log.connection.rotation: compress count date size
log: exchange journald syslog
log.console.color_esc_seqs: alert critical debug emergency error info notice warning
log.console: use_colors
log.console.formatter.json: field_map verbosity_map
log.console.formatter: level_format single_line time_format
log.default.rotation: compress
log.exchange: formatter level
log.exchange.formatter.json: field_map verbosity_map
log.exchange.formatter: level_format single_line time_format
log.federation.rotation: compress count date size
log.file.formatter.json: field_map verbosity_map
log.file.formatter: level_format single_line time_format
log.file.rotation: compress
log.journald: fields level
log.mirroring.rotation: compress count date size
log.queue.rotation: compress count date size
log.ra.rotation: compress count date size
log.syslog: facility formatter host identity ip level multiline_mode port protocol transport
log.syslog.formatter.json: field_map verbosity_map
log.syslog.formatter: level_format single_line time_format
log.syslog.ssl_options: cacertfile cert certfile client_renegotiation crl_check depth dh dhfile
log.syslog.ssl_options: fail_if_no_peer_cert honor_cipher_order honor_ecc_order keyfile log_alert
log.syslog.ssl_options: password psk_identity reuse_sessions secure_renegotiate verify
log.syslog.ssl_options.key: DSAPrivateKey PrivateKeyInfo RSAPrivateKey
log.upgrade.rotation: compress count date size
log.user.rotation: compress count date size
""",
)

AUTHENTICATION = Group(
    "users are those of the broker",
    WARNING,
    """
anonymous_login_pass anonymous_login_user auth_backends.* auth_http.ssl_options.cacerts.*
auth_http.ssl_options.ciphers.*
auth_http.ssl_options.versions.* auth_ldap.servers.* auth_ldap.ssl_options.cacerts.*
auth_ldap.ssl_options.ciphers.* auth_ldap.ssl_options.versions.* auth_mechanisms.*
auth_oauth2.algorithms.* auth_oauth2.discovery_endpoint_params.*
auth_oauth2.oauth_providers.*.algorithms.* auth_oauth2.oauth_providers.*.discovery_endpoint_params.*
auth_oauth2.oauth_providers.*.signing_keys.* auth_oauth2.preferred_username_claims.*
auth_oauth2.resource_servers.*.preferred_username_claims.*
auth_oauth2.resource_servers.*.scope_aliases.* auth_oauth2.scope_aliases.* auth_oauth2.signing_keys.*
password_hashing_module
auth_backends.*: authn authz
auth_cache: cache_module cache_refusals cache_ttl cached_backend
auth_cache.cached_backend: authn authz
auth_http: authorization_failure_disclosure connection_timeout http_method request_timeout resource_path
auth_http: ssl_options topic_path user_path vhost_path
auth_http.ssl_options: cacertfile cert certfile client_renegotiation crl_check depth dh dhfile
auth_http.ssl_options: fail_if_no_peer_cert honor_cipher_order honor_ecc_order hostname_verification
auth_http.ssl_options: keyfile log_alert password psk_identity reuse_sessions secure_renegotiate sni
auth_http.ssl_options: verify
auth_http.ssl_options.key: DSAPrivateKey PrivateKeyInfo RSAPrivateKey
auth_ldap: connection_pool_size dn_lookup_attribute dn_lookup_base dn_lookup_bind group_lookup_base
auth_ldap: idle_timeout log other_bind port servers ssl_options timeout use_ssl use_starttls
auth_ldap: user_bind_pattern user_dn_pattern
auth_ldap.dn_lookup_bind: password user_dn
auth_ldap.other_bind: password user_dn
auth_ldap.queries: resource_access tags topic_access vhost_access
auth_ldap.ssl_options: cacertfile cert certfile client_renegotiation crl_check depth dh dhfile
auth_ldap.ssl_options: fail_if_no_peer_cert honor_cipher_order honor_ecc_order hostname_verification
auth_ldap.ssl_options: keyfile log_alert password psk_identity reuse_sessions secure_renegotiate sni
auth_ldap.ssl_options: verify
auth_ldap.ssl_options.key: DSAPrivateKey PrivateKeyInfo RSAPrivateKey
auth_oauth2: additional_scopes_key authorization_endpoint default_key default_oauth_provider
auth_oauth2: discovery_endpoint_path end_session_endpoint issuer jwks_uri jwks_url require_exp
auth_oauth2: resource_server_id resource_server_type scope_pattern_syntax scope_prefix token_endpoint
auth_oauth2: verify_aud
auth_oauth2.https: cacertfile crl_check depth fail_if_no_peer_cert hostname_verification
auth_oauth2.https: peer_verification verify
auth_oauth2.oauth_providers.*: authorization_endpoint default_key discovery_endpoint_path
auth_oauth2.oauth_providers.*: end_session_endpoint issuer jwks_uri token_endpoint
auth_oauth2.oauth_providers.*.https: cacertfile crl_check depth hostname_verification verify
auth_oauth2.resource_servers.*: additional_scopes_key id oauth_provider_id require_exp
auth_oauth2.resource_servers.*: resource_server_type scope_pattern_syntax scope_prefix verify_aud
auth_oauth2.resource_servers.*.scope_aliases.*: alias scope
auth_oauth2.scope_aliases.*: alias scope
credential_validator: min_length regexp validation_backend
""",
)

CLUSTER = Group(
    "no cluster",
    WARNING,
    """
aws.prefer_imdsv2 cluster_formation.aws.ec2_instance_states.* cluster_formation.aws.hostname_path.*
cluster_formation.aws.instance_tags.* cluster_formation.classic_config.nodes.*
cluster_formation.consul.ssl_options.cacerts.* cluster_formation.consul.ssl_options.ciphers.*
cluster_formation.consul.ssl_options.versions.* cluster_formation.consul.svc_meta.*
cluster_formation.consul.svc_tags.* cluster_formation.dns.hostname cluster_formation.etcd.endpoints.*
cluster_formation.etcd.ssl_options.cacerts.* cluster_formation.etcd.ssl_options.ciphers.*
cluster_formation.etcd.ssl_options.versions.* cluster_formation.proxy.proxy_exclusions.*
cluster_formation.registration.enabled cluster_keepalive_interval cluster_partition_handling
cluster_partition_handling.pause_if_all_down.nodes.*
cluster_partition_handling.pause_if_all_down.recover cluster_tags.*
cluster_formation.aws: access_key_id hostname_path instance_tags region secret_key use_autoscaling_group
cluster_formation.aws: use_private_ip
cluster_formation.consul: acl_token cluster_name deregister_after domain_suffix host
cluster_formation.consul: include_nodes_with_warnings lock_prefix lock_timeout lock_wait_time port
cluster_formation.consul: scheme ssl_options svc svc_addr svc_addr_auto svc_addr_nic
cluster_formation.consul: svc_addr_use_nodename svc_id svc_meta svc_port svc_tags svc_ttl use_longname
cluster_formation.consul.ssl_options: cacertfile cert certfile crl_check depth dh dhfile
cluster_formation.consul.ssl_options: fail_if_no_peer_cert keyfile log_alert password psk_identity
cluster_formation.consul.ssl_options: reuse_sessions secure_renegotiate verify
cluster_formation.consul.ssl_options.key: DSAPrivateKey PrivateKeyInfo RSAPrivateKey
cluster_formation: discovery_retry_interval discovery_retry_limit internal_lock_retries lock_retry_limit
cluster_formation: lock_retry_timeout node_type peer_discovery_backend target_cluster_size_hint
cluster_formation.etcd: cluster_name endpoints host key_prefix lock_timeout lock_wait_time node_ttl
cluster_formation.etcd: password port scheme ssl_options username
cluster_formation.etcd.ssl_options: cacertfile cert certfile crl_check depth dh dhfile
cluster_formation.etcd.ssl_options: fail_if_no_peer_cert keyfile log_alert password psk_identity
cluster_formation.etcd.ssl_options: reuse_sessions secure_renegotiate verify
cluster_formation.etcd.ssl_options.key: DSAPrivateKey PrivateKeyInfo RSAPrivateKey
cluster_formation.k8s: address_type cert_path host hostname_suffix namespace_path ordinal_start port
cluster_formation.k8s: scheme seed_node service_name token_path
cluster_formation.k8s.tls: cacertfile certfile fail_if_no_peer_cert keyfile verify
cluster_formation.node_cleanup: interval only_log_warning
cluster_formation.proxy: http_proxy https_proxy
cluster_formation.randomized_startup_delay_range: max min
""",
)

PROTOCOLS = Group(
    "only AMQP 0-9-1 is spoken",
    WARNING,
    """
mqtt.listeners.ssl.* mqtt.listeners.tcp.* mqtt.message_interceptors.*.*.* stomp.listeners.ssl.*
stomp.listeners.tcp.* stream.listeners.ssl.* stream.listeners.tcp.* web_mqtt.allow_origins.*
web_mqtt.hsts.policy web_mqtt.ssl.ciphers.* web_mqtt.ssl.versions.* web_stomp.allow_origins.*
web_stomp.hsts.policy web_stomp.ssl.ciphers.* web_stomp.ssl.versions.*
amqp1_0: convert_amqp091_headers_to_app_props convert_app_props_to_amqp091_headers default_user
amqp1_0: default_vhost protocol_strict_mode
mqtt: allow_anonymous default_pass default_user disconnect_on_unauthorized durable_queue_type exchange
mqtt: login_timeout mailbox_soft_limit max_connections max_packet_size_authenticated
mqtt: max_packet_size_unauthenticated max_session_expiry_interval_seconds prefetch proxy_protocol
mqtt: retained_message_store retained_message_store_dets_sync_interval sparkplug ssl_cert_client_id_from
mqtt: ssl_cert_login ssl_cert_login_san_index ssl_cert_login_san_type subscription_ttl
mqtt: tcp_listen_options topic_alias_maximum vhost
mqtt.listeners: ssl tcp
mqtt.num_acceptors: ssl tcp
mqtt.retained_message_store: max_messages max_size_bytes
mqtt.tcp_listen_options: backlog buffer delay_send dontroute exit_on_close fd high_msgq_watermark
mqtt.tcp_listen_options: high_watermark keepalive low_msgq_watermark low_watermark nodelay port priority
mqtt.tcp_listen_options: recbuf send_timeout send_timeout_close sndbuf tos
mqtt.tcp_listen_options.linger: on timeout
stomp: default_nack_requeue default_pass default_topic_exchange default_user default_vhost
stomp: hide_server_info implicit_connect login_timeout max_connections max_frame_size
stomp: max_frame_size_unauthenticated proxy_protocol ssl_cert_login tcp_listen_options
stomp.listeners: ssl tcp
stomp.num_acceptors: ssl tcp
stomp.tcp_listen_options: backlog buffer delay_send dontroute exit_on_close fd high_msgq_watermark
stomp.tcp_listen_options: high_watermark keepalive low_msgq_watermark low_watermark nodelay port
stomp.tcp_listen_options: priority recbuf send_timeout send_timeout_close sndbuf tos
stomp.tcp_listen_options.linger: on timeout
stream: advertised_host advertised_port advertised_tls_host advertised_tls_port
stream: credits_required_for_unblocking frame_max heartbeat initial_credits initial_frame_max
stream: max_connections max_super_stream_partitions max_uncompressed_sub_entry_batch_size ssl_cert_login
stream: tcp_listen_options
stream.listeners: ssl tcp
stream.num_acceptors: ssl tcp
stream.tcp_listen_options: backlog buffer delay_send dontroute exit_on_close fd high_msgq_watermark
stream.tcp_listen_options: high_watermark keepalive low_msgq_watermark low_watermark nodelay port
stream.tcp_listen_options: priority recbuf send_timeout send_timeout_close sndbuf tos
stream.tcp_listen_options.linger: on timeout
web_mqtt: allow_origins max_connections proxy_protocol use_file_handle_cache ws_path
web_mqtt.cowboy_opts: idle_timeout max_empty_lines max_header_name_length max_header_value_length
web_mqtt.cowboy_opts: max_headers max_keepalive max_request_line_length timeout
web_mqtt.num_acceptors: ssl tcp
web_mqtt.ssl: backlog cacertfile certfile client_renegotiation crl_check depth honor_cipher_order
web_mqtt.ssl: honor_ecc_order ip keyfile listener password port reuse_sessions secure_renegotiate
web_mqtt.tcp: backlog ip listener port
web_mqtt.ws_opts: compress idle_timeout max_frame_size
web_stomp: allow_origins max_connections port proxy_protocol use_file_handle_cache use_http_auth
web_stomp: ws_frame ws_path
web_stomp.cowboy_opts: idle_timeout max_empty_lines max_header_name_length max_header_value_length
web_stomp.cowboy_opts: max_headers max_keepalive max_request_line_length timeout
web_stomp.num_acceptors: ssl tcp
web_stomp.ssl: backlog cacertfile certfile client_renegotiation crl_check depth honor_cipher_order
web_stomp.ssl: honor_ecc_order ip keyfile listener password port reuse_sessions secure_renegotiate
web_stomp.tcp: backlog ip listener port
web_stomp.ws_opts: compress idle_timeout max_frame_size
""",
)

NETWORK = Group(
    "sockets are set up by the broker",
    WARNING,
    """
reverse_dns_lookups tcp_listen_options
tcp_listen_options: backlog buffer delay_send dontroute exit_on_close fd high_msgq_watermark
tcp_listen_options: high_watermark keepalive low_msgq_watermark low_watermark nodelay port priority
tcp_listen_options: recbuf send_timeout send_timeout_close sndbuf tos
tcp_listen_options.linger: on timeout
""",
)

NO_COUNTERPART = Group(
    "nothing to set: these are about the inside of RabbitMQ",
    INFO,
    """
amqp10_client.ssl_options amqp10_client.ssl_options.cacerts.* amqp10_client.ssl_options.versions.*
amqp_client.ssl_options amqp_client.ssl_options.cacerts.* amqp_client.ssl_options.versions.*
background_gc_enabled background_gc_target_interval classic_queue.default_version collect_statistics
collect_statistics_interval default_worker_pool_size delegate_count deprecated_features.permit.*
distribution.listener.interface erlang.K exchange_types.local_random.enabled hipe_compile
initial_frame_max link_max_per_session memory_monitor_interval message_store_shutdown_timeout
mirroring_sync_batch_size mirroring_sync_max_throughput mnesia_table_loading_retry_limit
mnesia_table_loading_retry_timeout motd_file net_ticktime node_tags.* num_acceptors.tcp
prevent_startup_if_node_was_reset queue_index_embed_msgs_below queue_leader_locator queue_master_locator
queue_types.classic.enabled queue_types.quorum.enabled queue_types.stream.enabled
quorum_queue.property_equivalence.relaxed_checks_on_redeclaration ranch_connection_max
session_max_per_connection socket_writer.gc_threshold stream.replication.address_family
vhost_restart_strategy vm_memory_calculation_strategy vm_memory_high_watermark_paging_ratio
amqp10_client.ssl_options: cacertfile cert certfile crl_check depth keyfile log_alert password
amqp10_client.ssl_options: psk_identity reuse_sessions secure_renegotiate sni verify
amqp10_client.ssl_options.key: DSAPrivateKey PrivateKeyInfo RSAPrivateKey
amqp_client.ssl_options: cacertfile cert certfile crl_check depth keyfile log_alert password
amqp_client.ssl_options: psk_identity reuse_sessions secure_renegotiate sni verify
amqp_client.ssl_options.key: DSAPrivateKey PrivateKeyInfo RSAPrivateKey
distribution.listener.port_range: max min
inet_dist_listen_max inet_dist_listen_min
log: error_logger_format_depth summarize_process_state
management_agent: disable_metrics_collector filter_aggregated_queue_metrics_pattern
metadata_store.khepri: default_timeout snapshot_interval
quorum_queue: commands_soft_limit compress_mem_tables compute_checksums initial_cluster_size
quorum_queue: max_append_entries_rpc_batch_size member_placement_tag segment_compute_checksums
quorum_queue: segment_max_entries segment_max_size_bytes snapshot_chunk_size wal_compute_checksums
quorum_queue: wal_max_batch_size wal_max_entries wal_max_size_bytes
quorum_queue.continuous_membership_reconciliation: auto_remove enabled interval target_group_size
quorum_queue.continuous_membership_reconciliation: trigger_interval
raft.adaptive_failure_detector: detection_threshold heartbeat_interval poll_interval scaling_factor
raft: data_dir segment_max_entries snapshot_chunk_size wal_hibernate_after wal_max_batch_size
raft: wal_max_entries wal_max_size_bytes
stream: data_dir read_ahead read_ahead_limit
stream.replication.port_range: max min
sysmon_handler.thresholds: busy_ports busy_processes
sysmon_handler.triggers: distribution_port port
sysmon_handler.triggers.process: garbage_collection heap_size long_scheduled_execution
""",
)

PLUGINS = Group(
    "no shovel, no federation",
    WARNING,
    """
federation.exchanges.connection_close_timeout federation.queues.connection_close_timeout
shovel.local.max_credit shovel.topology.predeclared
federation.shutdown: link_batch_size throttle_delay timeout
federation.exchanges.shutdown: link_batch_size throttle_delay timeout
federation.queues.shutdown: link_batch_size throttle_delay timeout
shovel: delete_after_duration_floor operating_mode
""",
)

REST = Group(
    "not there",
    WARNING,
    """
channel_interceptor.priorities.* consumer_disconnected_timeout
message_interceptors.*.*.* runtime_parameters.limits.*
event_exchange: protocol vhost
""",
)

GROUPS = (
    TLS,
    DEFINITIONS,
    MANAGEMENT,
    METRICS,
    LOGGING,
    AUTHENTICATION,
    CLUSTER,
    PROTOCOLS,
    NETWORK,
    NO_COUNTERPART,
    PLUGINS,
    REST,
)

NOT_HONOURED = {pattern: group for group in GROUPS for pattern in group.patterns()}
"""Why a key has no effect."""

AS_IT_IS = {
    "auth_backends.*": ("internal", "rabbit_auth_backend_internal"),
    "auth_mechanisms.*": ("PLAIN", "AMQPLAIN"),
    "cluster_partition_handling": ("ignore",),
    "hipe_compile": ("false",),
    "management.ssl.client_renegotiation": ("false",),
    "management.ssl.secure_renegotiate": ("true",),
    "prometheus.ssl.client_renegotiation": ("false",),
    "prometheus.ssl.secure_renegotiate": ("true",),
    "log.console.use_colors": ("false", "off"),
    "log.default.rotation.compress": ("false",),
    "log.exchange": ("false",),
    "log.file.rotation.compress": ("false",),
    "log.journald": ("false",),
    "log.syslog": ("false",),
    "password_hashing_module": ("rabbit_password_hashing_sha256",),
    "reverse_dns_lookups": ("false",),
    "ssl_options": ("none",),
    "ssl_options.client_renegotiation": ("false",),
    "ssl_options.secure_renegotiate": ("true",),
    "tcp_listen_options.nodelay": ("true",),
    "vm_memory_calculation_strategy": ("rss",),
}
"""Values that say what is so anyway; with one of them a key is not named in the log."""
