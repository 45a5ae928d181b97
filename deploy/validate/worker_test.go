// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package validate

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nkeys"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/parti-go/parti"
	"github.com/parti-go/parti/kv/embedded"
)

// variant is what one of the folders starts.
type variant struct {
	objects  []any
	name     string
	selector *metav1.LabelSelector
	pod      corev1.PodTemplateSpec
}

func (v variant) container() corev1.Container { return v.pod.Spec.Containers[0] }

func load(t *testing.T, folder string) variant {
	t.Helper()
	objects, err := read(filepath.Join("..", folder))
	require.NoError(t, err)
	if folder == "stateful" {
		set := one[*appsv1.StatefulSet](t, objects)
		require.Equal(t, one[*corev1.Service](t, objects).Name, set.Spec.ServiceName)
		return variant{objects, set.Name, set.Spec.Selector, set.Spec.Template}
	}
	set := one[*appsv1.Deployment](t, objects)
	return variant{objects, set.Name, set.Spec.Selector, set.Spec.Template}
}

// environment is what the container's variables are in the first pod.
func (v variant) environment(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, from := range v.container().EnvFrom {
		for name, value := range v.config(t, from.ConfigMapRef.Name).Data {
			all[name] = value
		}
	}
	for _, e := range v.container().Env {
		all[e.Name] = e.Value
		if e.ValueFrom != nil {
			require.Equal(t, "metadata.name", e.ValueFrom.FieldRef.FieldPath)
			all[e.Name] = v.name + "-0"
		}
	}
	return all
}

func (v variant) config(t *testing.T, name string) *corev1.ConfigMap {
	t.Helper()
	for _, o := range v.objects {
		if c, ok := o.(*corev1.ConfigMap); ok && c.Name == name {
			return c
		}
	}
	require.Fail(t, "no ConfigMap", name)
	return nil
}

// flag is the value of a flag of the worker, or "".
func (v variant) flag(name string) string {
	args := v.container().Args
	for i := range len(args) - 1 {
		if args[i] == name {
			return args[i+1]
		}
	}
	return ""
}

var folders = []string{"surge", "stateful", "autoscaled"}

func TestTheObjectsFitTogether(t *testing.T) {
	for _, folder := range folders {
		t.Run(folder, func(t *testing.T) {
			v := load(t, folder)
			budget := one[*policyv1.PodDisruptionBudget](t, v.objects)
			for _, s := range []*metav1.LabelSelector{v.selector, budget.Spec.Selector, v.pod.Spec.TopologySpreadConstraints[0].LabelSelector} {
				selector, err := metav1.LabelSelectorAsSelector(s)
				require.NoError(t, err)
				require.False(t, selector.Empty())
				require.True(t, selector.Matches(labels.Set(v.pod.Labels)), "%s does not select the pods", selector)
			}
			require.EqualValues(t, 1, budget.Spec.MaxUnavailable.IntValue())
			require.NotNil(t, budget.Spec.UnhealthyPodEvictionPolicy, "workers that wait for a store would hold up drains of nodes")
			require.Equal(t, policyv1.AlwaysAllow, *budget.Spec.UnhealthyPodEvictionPolicy)
			require.Equal(t, one[*corev1.ServiceAccount](t, v.objects).Name, v.pod.Spec.ServiceAccountName)
			mounted := map[string]bool{}
			for _, volume := range v.pod.Spec.Volumes {
				mounted[volume.Name] = true
				if volume.ConfigMap != nil {
					require.Contains(t, v.config(t, volume.ConfigMap.Name).Data, filepath.Base(v.flag("-list")))
				}
			}
			for _, m := range v.container().VolumeMounts {
				require.True(t, mounted[m.Name], "no volume %q", m.Name)
				require.Empty(t, m.SubPath, "a file that is mounted with subPath never changes")
				delete(mounted, m.Name)
			}
			require.Empty(t, mounted, "volumes that nothing mounts")
		})
	}
}

func TestTheConfigurationIsValidAndTheGracePeriodLongEnough(t *testing.T) {
	for _, folder := range folders {
		t.Run(folder, func(t *testing.T) {
			v := load(t, folder)
			for name, value := range v.environment(t) {
				t.Setenv(name, value)
			}
			cfg, err := parti.LoadConfig(nil)
			require.NoError(t, err)
			require.NoError(t, cfg.Validate())
			leave := 2 * cfg.ShutdownTimeout
			if drain := v.flag("-drain"); drain != "" {
				within, err := time.ParseDuration(drain)
				require.NoError(t, err)
				leave = within + cfg.ShutdownTimeout
			}
			require.Greater(t, time.Duration(*v.pod.Spec.TerminationGracePeriodSeconds)*time.Second, leave+5*time.Second)
			outage := v.container().LivenessProbe.PeriodSeconds * v.container().LivenessProbe.FailureThreshold
			require.GreaterOrEqual(t, outage, int32(120), "a restart does not end an outage of the store")
			ids := cfg.WorkerIDMax - cfg.WorkerIDMin + 1
			switch folder {
			case "surge": // what starts too many is a standby only as long as no ID is free
				set := one[*appsv1.Deployment](t, v.objects)
				require.EqualValues(t, ids, *set.Spec.Replicas)
				require.EqualValues(t, ids, cfg.ExpectedWorkers)
				require.Zero(t, set.Spec.Strategy.RollingUpdate.MaxUnavailable.IntValue())
			case "stateful":
				require.LessOrEqual(t, *one[*appsv1.StatefulSet](t, v.objects).Spec.Replicas, int32(ids))
			case "autoscaled":
				scaler := one[*autoscalingv2.HorizontalPodAutoscaler](t, v.objects)
				require.Equal(t, v.name, scaler.Spec.ScaleTargetRef.Name)
				require.Less(t, scaler.Spec.MaxReplicas, int32(ids), "a rollout needs one ID more")
				require.Nil(t, one[*appsv1.Deployment](t, v.objects).Spec.Replicas, "the autoscaler sets the replicas")
			}
		})
	}
}

// TestTheWorkerStartsAsTheManifestsStartIt runs the container of each variant as a process, with the same flags and variables,
// asks its probes and ends it with SIGTERM.
func TestTheWorkerStartsAsTheManifestsStartIt(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "worker")
	build := exec.Command("go", "build", "-o", binary, "./examples/worker")
	build.Dir = filepath.Join("..", "..")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, folder := range folders {
		t.Run(folder, func(t *testing.T) {
			v := load(t, folder)
			server, err := embedded.Start(embedded.WithPort(embedded.RandomPort))
			require.NoError(t, err)
			defer server.Shutdown()
			root, address := v.files(t), freeAddress(t)
			worker := exec.Command(binary, v.arguments(t, root, address)...)
			var log strings.Builder
			worker.Stdout, worker.Stderr = &log, &log
			env := v.environment(t)
			env["NATS_URL"] = server.URL()
			env["PARTI_STATE_DIR"] = root + env["PARTI_STATE_DIR"]
			env["PARTI_COLD_START_WINDOW"], env["PARTI_PLANNED_SCALE_WINDOW"] = "500ms", "500ms" // nobody else comes
			for name, value := range env {
				worker.Env = append(worker.Env, name+"="+value)
			}
			require.NoError(t, worker.Start())
			defer func() { _ = worker.Process.Kill() }() // if the test has failed
			ended := make(chan error, 1)
			go func() { ended <- worker.Wait() }()
			c := v.container()
			for _, probe := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe} {
				require.Equal(t, "probes", probe.HTTPGet.Port.StrVal)
				waitFor(t, "http://"+address+probe.HTTPGet.Path)
			}
			waitFor(t, "http://"+address+"/readyz")
			require.NoError(t, worker.Process.Signal(syscall.SIGTERM))
			select {
			case err := <-ended:
				if v.flag("-drain") == "" {
					require.NoError(t, err, "%s", &log)
				} else { // nobody is there to take over
					require.Contains(t, log.String(), "drain not complete", "%v", err)
				}
			case <-time.After(time.Duration(*v.pod.Spec.TerminationGracePeriodSeconds) * time.Second):
				require.Fail(t, "the worker does not end")
			}
			if prefers := env["PARTI_PREFERRED_ID"]; prefers != "" {
				require.Contains(t, log.String(), `"worker":"`+prefers+`"`)
			}
		})
	}
}

// files writes what the pod mounts below a folder, and returns that.
func (v variant) files(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, volume := range v.pod.Spec.Volumes {
		var files map[string]string
		switch {
		case volume.ConfigMap != nil:
			files = v.config(t, volume.ConfigMap.Name).Data
		case volume.Secret != nil:
			files = map[string]string{"worker.creds": credentials(t)}
		}
		for _, m := range v.container().VolumeMounts {
			if m.Name != volume.Name {
				continue
			}
			require.NoError(t, os.MkdirAll(root+m.MountPath, 0o700))
			for name, text := range files {
				require.NoError(t, os.WriteFile(filepath.Join(root+m.MountPath, name), []byte(text), 0o600))
			}
		}
	}
	return root
}

// arguments are those of the container, with the files below root and the probes at the address.
func (v variant) arguments(t *testing.T, root, address string) []string {
	t.Helper()
	var args []string
	for _, a := range v.container().Args {
		switch {
		case strings.HasPrefix(a, "/"):
			a = root + a
		case strings.HasPrefix(a, ":"):
			require.Equal(t, fmt.Sprintf(":%d", v.container().Ports[0].ContainerPort), a)
			a = address
		case a == v.flag("-drain"):
			a = "200ms"
		}
		args = append(args, a)
	}
	return args
}

// credentials are in the right form. The server of the test asks nobody for them.
func credentials(t *testing.T) string {
	t.Helper()
	user, err := nkeys.CreateUser()
	require.NoError(t, err)
	seed, err := user.Seed()
	require.NoError(t, err)
	return "-----BEGIN NATS USER JWT-----\ne30.e30.e30\n------END NATS USER JWT------\n\n" +
		"-----BEGIN USER NKEY SEED-----\n" + string(seed) + "\n------END USER NKEY SEED------\n"
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

func waitFor(t *testing.T, url string) {
	t.Helper()
	require.Eventually(t, func() bool {
		answer, err := http.Get(url)
		if err != nil {
			return false
		}
		defer func() { _ = answer.Body.Close() }()
		return answer.StatusCode == http.StatusOK
	}, 20*time.Second, 20*time.Millisecond, "%s does not answer 200", url)
}
