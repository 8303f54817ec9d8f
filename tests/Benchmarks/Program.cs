using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Running;
using Milena.Benchmarks;

// Options are BenchmarkDotNet's; see the README for those that matter here.
var config = DefaultConfig.Instance.AddColumn(new ThroughputColumn()).HideColumns(Column.Error);
BenchmarkSwitcher.FromAssembly(typeof(ThroughputColumn).Assembly).Run(args, config);
