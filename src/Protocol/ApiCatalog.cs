namespace Milena.Protocol;

/// <summary>One API: its key, and the range of versions that there are codecs for.</summary>
public sealed record ApiInfo(short Key, string Name, short MinVersion, short MaxVersion, short FirstFlexibleVersion);

/// <summary>The APIs by key. The table and the switches over it are generated from the specs.</summary>
public static partial class ApiCatalog
{
    private static readonly ApiInfo?[] ByKey;

    // A constructor, since the generated half's table must be there first, and the order of initialisers across files is not given.
    static ApiCatalog() => ByKey = Index();

    public static IReadOnlyList<ApiInfo> All => Table;

    public static ApiInfo? Find(short apiKey) => apiKey >= 0 && apiKey < ByKey.Length ? ByKey[apiKey] : null;

    /// <summary>1, or 2 with tagged fields in flexible versions.</summary>
    public static short RequestHeaderVersion(short apiKey, short version) => version >= ByKey[apiKey]!.FirstFlexibleVersion ? (short)2 : (short)1;

    /// <summary>0, or 1 with tagged fields in flexible versions; always 0 for ApiVersions, which a client sends before it knows what the broker speaks.</summary>
    public static short ResponseHeaderVersion(short apiKey, short version) =>
        apiKey != (short)ApiKey.ApiVersions && version >= ByKey[apiKey]!.FirstFlexibleVersion ? (short)1 : (short)0;

    private static ApiInfo?[] Index()
    {
        var byKey = new ApiInfo?[Table.Max(api => api.Key) + 1];
        foreach (var api in Table)
        {
            byKey[api.Key] = api;
        }

        return byKey;
    }
}
