package main

import (
	"github.com/spf13/cobra"

	"github.com/lite-llm/lite"
)

// storageFlags are about models in object stores.
type storageFlags struct {
	cacheDir, cacheSize       string
	endpoint, region, profile string
}

func (f *storageFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.cacheDir, "cache-dir", "", "keep what is read of a model in an object store in this `DIR`, or nothing with \"off\" (default: lite in the user's cache directory)")
	fl.StringVar(&f.cacheSize, "cache-size", "", "at most this `SIZE` there (default: half of what the disk has free)")
	f.addStore(cmd)
}

// addStore adds the flags that say where a store is, and who asks.
func (f *storageFlags) addStore(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.endpoint, "s3-endpoint", "", "`URL` of the S3 store (default: AWS_ENDPOINT_URL, or Amazon's)")
	fl.StringVar(&f.region, "s3-region", "", "its `REGION` (default: AWS_REGION, or us-east-1)")
	fl.StringVar(&f.profile, "s3-profile", "", "take credentials from the section `NAME` of the shared files (default: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE)")
}

// storage is what the flags say.
func (f *storageFlags) storage() (lite.Storage, error) {
	s := lite.Storage{CacheDir: f.cacheDir, Endpoint: f.endpoint, Region: f.region, Profile: f.profile}
	if f.cacheSize == "" {
		return s, nil
	}
	n, err := lite.ParseSize(f.cacheSize)
	if err != nil {
		return s, usagef("--cache-size: %w", err)
	}
	if n == 0 {
		return s, usagef("--cache-size 0: --cache-dir off keeps nothing")
	}
	s.CacheBytes = n
	return s, nil
}
