package cgroup

import "testing"

func TestMountsAreFoundAsTheKernelTellsThem(t *testing.T) {
	for _, c := range []struct {
		name, own, mountinfo string
		want                 mounts
	}{
		{
			name: "version 2 alone",
			own:  "0::/system.slice/ccs-executor.service\n",
			mountinfo: "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n" +
				"30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
			want: mounts{
				point: [hierarchies]string{unified: "/sys/fs/cgroup"},
				own:   [hierarchies]string{unified: "/system.slice/ccs-executor.service"},
			},
		},
		{
			name: "both, with controllers that share a hierarchy and names with colons",
			own:  "8:pids:/a:b\n4:memory:/\n3:cpu,cpuacct:/c\n1:name=systemd:/d\n0::/u\n",
			mountinfo: "31 1 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n" +
				"32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:1 master:2 - cgroup cgroup rw,cpu,cpuacct\n" +
				"35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" +
				"39 31 0:36 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n" +
				"40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n" +
				"41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
			want: mounts{
				point: [hierarchies]string{unified: "/sys/fs/cgroup/unified", memory: "/sys/fs/cgroup/memory", pids: "/sys/fs/cgroup/pids", cpu: "/sys/fs/cgroup/cpu,cpuacct"},
				own:   [hierarchies]string{unified: "/u", memory: "/", pids: "/a:b", cpu: "/c"},
			},
		},
		{
			name:      "a container that sees its own part of the hierarchy",
			own:       "4:memory:/docker/abc/x\n0::/docker/abc\n",
			mountinfo: "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n41 31 0:38 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
			want: mounts{
				point: [hierarchies]string{unified: "/sys/fs/cgroup", memory: "/sys/fs/cgroup/memory"},
				own:   [hierarchies]string{unified: "/", memory: "/x"},
			},
		},
		{
			name:      "a part of the hierarchy in which we are not, and then all of it",
			own:       "0::/b\n",
			mountinfo: "41 31 0:38 /a /mnt rw - cgroup2 cgroup2 rw\n42 31 0:38 / /all rw - cgroup2 cgroup2 rw\n",
			want:      mounts{point: [hierarchies]string{unified: "/all"}, own: [hierarchies]string{unified: "/b"}},
		},
		{
			name:      "what cannot be understood is left out",
			own:       "0\n:\n0::/b\nx\n",
			mountinfo: "\n1\n41 31 0:38 / /with\\040blank rw - cgroup2 cgroup2 rw\n42 31 0:38 / /short - cgroup2\n",
			want:      mounts{own: [hierarchies]string{unified: "/b"}},
		},
	} {
		if got := parseMounts(c.mountinfo, c.own); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}
