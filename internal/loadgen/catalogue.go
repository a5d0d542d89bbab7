package main

import "strings"

// numbered are the values name=0 to name=n-1 of a label, each with a prefix.
func numbered(name, prefix string, n int) dimension {
	d := make(dimension, n)
	for i := range d {
		d[i] = name + "=" + prefix + string(rune('0'+i))
	}
	return d
}

// valued are the values of one label.
func valued(name, values string) dimension {
	var d dimension
	for v := range strings.FieldsSeq(values) {
		d = append(d, name+"="+v)
	}
	return d
}

// named are metrics prefix + name + suffix that behave alike.
func named(b behaviour, prefix, names, suffix string, own ...dimension) []metric {
	var ms []metric
	for n := range strings.FieldsSeq(names) {
		ms = append(ms, metric{prefix + n + suffix, b, own})
	}
	return ms
}

func flat(groups ...[]metric) []metric {
	var all []metric
	for _, g := range groups {
		all = append(all, g...)
	}
	return all
}

// nodeMetrics are node_exporter's, of a host with four CPUs, two disks and four network
// devices.
func nodeMetrics() []metric {
	cpus := numbered("cpu", "", 4)
	disks := valued("device", "nvme0n1 nvme1n1")
	devices := valued("device", "eth0 eth1 cilium_host cilium_vxlan")
	mounts := dimension{
		"device=/dev/nvme0n1p1,fstype=ext4,mountpoint=/",
		"device=/dev/nvme0n1p15,fstype=vfat,mountpoint=/boot/efi",
		"device=/dev/nvme1n1,fstype=xfs,mountpoint=/var/lib/containerd",
		"device=tmpfs,fstype=tmpfs,mountpoint=/run",
		"device=tmpfs,fstype=tmpfs,mountpoint=/run/lock",
		"device=tmpfs,fstype=tmpfs,mountpoint=/run/user/1000",
	}
	collectors := valued("collector", `arp bcache bonding btrfs conntrack cpu cpufreq diskstats dmi edac entropy
		filefd filesystem hwmon infiniband ipvs loadavg mdadm meminfo netclass netdev netstat nfs nvme os
		pressure schedstat sockstat softnet stat tapestats textfile thermal_zone time timex uname vmstat watchdog xfs zfs`)
	return flat(
		named(growing, "node_", "context_switches", "_total"),
		named(growing, "node_", "cpu_seconds", "_total", cpus, valued("mode", "idle iowait system user")),
		named(resting, "node_", "cpu_seconds", "_total", cpus, valued("mode", "irq nice softirq steal")),
		named(resting, "node_", "cpu_guest_seconds", "_total", cpus, valued("mode", "nice user")),
		named(growing, "node_disk_", "io_time_seconds reads_completed writes_completed written_bytes", "_total", disks),
		named(resting, "node_disk_", "discards_completed discarded_sectors flush_requests reads_merged", "_total", disks),
		named(moving, "node_filesystem_", "avail free", "_bytes", mounts),
		named(moving, "node_filesystem_", "files_free", "", mounts),
		named(resting, "node_filesystem_", "device_error files readonly size_bytes", "", mounts),
		named(moving, "node_hwmon_temp_", "celsius", "", numbered("sensor", "temp", 8), valued("chip", "platform_coretemp_0")),
		named(growing, "node_", "forks intr", "_total"),
		named(moving, "node_", "load1 load5 load15 procs_running filefd_allocated nf_conntrack_entries arp_entries sockstat_TCP_inuse", ""),
		named(moving, "node_memory_", `Active Active_anon Active_file AnonPages Buffers Cached Committed_AS Dirty
			Inactive Inactive_anon Inactive_file KernelStack Mapped MemAvailable MemFree PageTables Percpu
			SReclaimable SUnreclaim Shmem Slab Writeback`, "_bytes"),
		named(resting, "node_memory_", `AnonHugePages Bounce CommitLimit DirectMap1G DirectMap2M DirectMap4k Hugepagesize
			MemTotal Mlocked NFS_Unstable SwapCached SwapFree SwapTotal Unevictable VmallocTotal WritebackTmp`, "_bytes"),
		named(resting, "node_network_", `address_assign_type carrier device_id dormant flags iface_id iface_link
			iface_link_mode mtu_bytes name_assign_type net_dev_group protocol_type speed_bytes transmit_queue_length up`, "", devices),
		named(growing, "node_network_", "receive_bytes receive_packets transmit_bytes transmit_packets", "_total", devices),
		named(resting, "node_network_", `receive_compressed receive_drop receive_errs receive_fifo transmit_compressed
			transmit_drop transmit_errs transmit_fifo`, "_total", devices),
		named(moving, "node_scrape_collector_", "duration_seconds", "", collectors),
		named(resting, "node_scrape_collector_", "success", "", collectors),
		named(resting, "node_timex_", `frequency_adjustment_ratio loop_time_constant pps_shift_seconds pps_stability_hertz
			status sync_status tai_offset_seconds tick_seconds`, ""),
		named(resting, "node_softnet_", "cpu_collision dropped flow_limit_count received_rps times_squeezed", "_total", cpus),
		named(growing, "node_vmstat_", "pgfault pgpgin pgpgout", ""), // real ones lack the suffix, and a type
		named(resting, "node_vmstat_", "oom_kill pswpin pswpout", ""),
	)
}

// stateMetrics are kube-state-metrics', of the pods on a host.
func stateMetrics() []metric {
	pods := dimension{
		"namespace=checkout,pod=checkout-payment-authorization",
		"namespace=storefront,pod=storefront-recommendation-engine",
	}
	node := valued("node", "HOST")
	own := func(name string) dimension {
		return dimension{"container=" + name}
	}
	resources := dimension{"resource=cpu,unit=core", "resource=memory,unit=byte"}
	return flat(
		named(resting, "kube_pod_container_resource_", "limits requests", "", pods, own("application"), node, resources),
		named(resting, "kube_pod_container_status_", "ready restarts_total running terminated waiting", "", pods, own("application")),
		named(resting, "kube_pod_", "info start_time created", "", pods, node),
		named(resting, "kube_pod_status_", "phase", "", pods, valued("phase", "Failed Pending Running Succeeded Unknown")),
		named(resting, "kube_pod_status_", "ready scheduled", "", pods, valued("condition", "false true unknown")),
		named(resting, "kube_node_status_", "allocatable capacity", "", node, resources),
		named(resting, "kube_node_status_", "condition", "", node,
			valued("condition", "DiskPressure MemoryPressure PIDPressure Ready"), valued("status", "false true unknown")),
	)
}
