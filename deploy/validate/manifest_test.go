// Copyright The Parti Authors
// SPDX-License-Identifier: Apache-2.0

package validate

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// kinds are the kinds of objects that the manifests may have.
var kinds = map[string]func() any{
	"v1/ConfigMap":                           func() any { return new(corev1.ConfigMap) },
	"v1/ServiceAccount":                      func() any { return new(corev1.ServiceAccount) },
	"v1/Service":                             func() any { return new(corev1.Service) },
	"apps/v1/Deployment":                     func() any { return new(appsv1.Deployment) },
	"apps/v1/StatefulSet":                    func() any { return new(appsv1.StatefulSet) },
	"policy/v1/PodDisruptionBudget":          func() any { return new(policyv1.PodDisruptionBudget) },
	"autoscaling/v2/HorizontalPodAutoscaler": func() any { return new(autoscalingv2.HorizontalPodAutoscaler) },
}

// read returns the objects that a kustomization names. An unknown field, a field that is written twice and a value of the wrong
// type are errors.
func read(dir string) ([]any, error) {
	text, err := os.ReadFile(filepath.Join(dir, "kustomization.yaml"))
	if err != nil {
		return nil, err
	}
	var k struct {
		APIVersion, Kind string
		Resources        []string
	}
	if err := yaml.UnmarshalStrict(text, &k); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	var objects []any
	for _, name := range k.Resources {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		more := decode
		if info.IsDir() {
			more = read
		}
		found, err := more(path)
		if err != nil {
			return nil, err
		}
		objects = append(objects, found...)
	}
	return objects, nil
}

func decode(path string) ([]any, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var objects []any
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		object, err := parse(document)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		objects = append(objects, object)
	}
}

func parse(document []byte) (any, error) {
	var head struct{ APIVersion, Kind string }
	if err := yaml.Unmarshal(document, &head); err != nil {
		return nil, err
	}
	create, known := kinds[head.APIVersion+"/"+head.Kind]
	if !known {
		return nil, fmt.Errorf("kind %q of %q is not checked", head.Kind, head.APIVersion)
	}
	object := create()
	return object, yaml.UnmarshalStrict(document, object)
}

// one returns the only object of its kind.
func one[T any](t *testing.T, objects []any) T {
	t.Helper()
	var found []T
	for _, o := range objects {
		if o, ok := o.(T); ok {
			found = append(found, o)
		}
	}
	require.Len(t, found, 1)
	return found[0]
}

func TestAMistakeInAManifestIsRefused(t *testing.T) {
	good := "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: orders}\n"
	_, err := parse([]byte(good))
	require.NoError(t, err)
	for _, bad := range []string{
		good + "automountServiceAccountTokn: false\n",
		good + "automountServiceAccountToken: 3\n",
		good + "kind: ServiceAccount\n",
		"apiVersion: v1\nkind: Pod\n",
	} {
		_, err := parse([]byte(bad))
		require.Error(t, err, bad)
	}
}

func TestEachFileBelongsToAKustomization(t *testing.T) {
	files, err := filepath.Glob("../*/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		if filepath.Base(file) == "kustomization.yaml" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(filepath.Dir(file), "kustomization.yaml"))
		require.NoError(t, err)
		require.True(t, bytes.Contains(text, []byte(filepath.Base(file))), "no kustomization names %s", file)
	}
	require.True(t, slices.Contains(files, filepath.Join("..", "surge", "workers.yaml")))
}
