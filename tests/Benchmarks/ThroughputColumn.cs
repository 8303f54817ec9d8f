using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace Milena.Benchmarks;

/// <summary>Bytes that one operation handles, which a class says in its parameter <c>Bytes</c>, over the mean: in MB (10^6) a second.</summary>
internal sealed class ThroughputColumn : IColumn
{
    private const string Parameter = "Bytes";
    private const double MegabytesPerByteAndNanosecond = 1e3;

    public string Id => nameof(ThroughputColumn);
    public string ColumnName => "MB/s";
    public string Legend => "Bytes of one operation over its mean, in 10^6 bytes a second";
    public bool AlwaysShow => false;
    public ColumnCategory Category => ColumnCategory.Custom;
    public int PriorityInCategory => 0;
    public bool IsNumeric => true;
    public UnitType UnitType => UnitType.Dimensionless;

    public bool IsAvailable(Summary summary) => summary.BenchmarksCases.Any(each => BytesOf(each) is not null);

    public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase) => GetValue(summary, benchmarkCase, summary.Style);

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) =>
        BytesOf(benchmarkCase) is { } bytes && summary[benchmarkCase]?.ResultStatistics is { Mean: > 0 } statistics
            ? (bytes / statistics.Mean * MegabytesPerByteAndNanosecond).ToString("N0", CultureInfo.InvariantCulture)
            : "-";

    private static int? BytesOf(BenchmarkCase benchmarkCase) =>
        benchmarkCase.Parameters.Items.FirstOrDefault(item => item.Name == Parameter)?.Value as int?;
}
