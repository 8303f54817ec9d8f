using System.Globalization;

namespace Milena.Metadata.Settings;

/// <summary>Kafka's types of setting; the numbers are those of DescribeConfigs v3 (KIP-569).</summary>
public enum SettingType : byte
{
    Boolean = 1,
    String = 2,
    Int = 3,
    Short = 4,
    Long = 5,
    Double = 6,
    List = 7,
    Class = 8,
    Password = 9,
}

/// <summary>One Kafka setting: its name, type, default, and which values it takes.</summary>
/// <param name="Default">The value where nobody sets one, as text; null where there is none.</param>
/// <param name="Valid">Text of the last column of the tables: <c>min..max</c>, <c>in a,b</c>, <c>in-any-case a,b</c>, or a named rule.</param>
/// <param name="BrokerSynonyms">For a topic setting, the broker settings it falls back to, the first one set winning.</param>
public sealed record SettingDefinition(string Name, SettingType Type, string? Default, string Valid, IReadOnlyList<string> BrokerSynonyms)
{
    public bool IsSensitive => Type == SettingType.Password;

    /// <returns>Null when the value is acceptable, else one sentence that says what is wrong.</returns>
    public string? Check(string? value)
    {
        if (value is null)
        {
            return $"Null value not supported for {Name}.";
        }

        return Type switch
        {
            SettingType.Boolean => bool.TryParse(value, out _) ? null : Wrong(value, "expected true or false"),
            SettingType.Short => CheckNumber(value, short.MinValue, short.MaxValue),
            SettingType.Int => CheckNumber(value, int.MinValue, int.MaxValue),
            SettingType.Long => CheckNumber(value, long.MinValue, long.MaxValue),
            SettingType.Double => CheckDouble(value),
            SettingType.List => SplitList(value).Select(CheckMember).FirstOrDefault(error => error is not null),
            _ => CheckMember(value),
        };
    }

    /// <summary>The members of a list setting, trimmed; an empty text is an empty list.</summary>
    public static string[] SplitList(string value) =>
        value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    private string? CheckNumber(string value, long min, long max)
    {
        if (!long.TryParse(value.Trim(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) || number < min || number > max)
        {
            return Wrong(value, $"not a number of type {Type.ToString().ToUpperInvariant()}");
        }

        if (Valid == "gzip-level")
        {
            return number is -1 or (>= 1 and <= 9) ? null : Wrong(value, "value must be -1 or from 1 to 9");
        }

        return CheckRange(value, number);
    }

    private string? CheckDouble(string value) =>
        double.TryParse(value.Trim(), NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
            ? CheckRange(value, number)
            : Wrong(value, "not a number of type DOUBLE");

    private string? CheckRange(string value, double number)
    {
        var dots = Valid.IndexOf("..", StringComparison.Ordinal);
        if (dots < 0)
        {
            return null;
        }

        // Written so that NaN is below every bound.
        if (Bound(Valid[..dots]) is { } min && !(number >= min))
        {
            return Wrong(value, $"value must be at least {Valid[..dots]}");
        }

        return Bound(Valid[(dots + 2)..]) is { } max && number > max ? Wrong(value, $"value must be no more than {Valid[(dots + 2)..]}") : null;
    }

    private string? CheckMember(string value)
    {
        var (rule, members) = Valid.Split(' ', 2) is [var first, var second] ? (first, second.Split(',')) : (Valid, []);
        return rule switch
        {
            "in" when !members.Contains(value) => Wrong(value, $"string must be one of: {string.Join(", ", members)}"),
            "in-any-case" when !members.Contains(value, StringComparer.OrdinalIgnoreCase) =>
                Wrong(value, $"string must be one of: {string.Join(", ", members)}"),
            "nonempty" when value.Length == 0 => Wrong(value, "string must be non-empty"),
            "throttled-replicas" when !IsThrottledReplica(value) => Wrong(value, "must be * or a list of partition:broker pairs"),
            _ => null,
        };
    }

    private static bool IsThrottledReplica(string value) =>
        value == "*" || (value.Split(':') is [var partition, var broker] && int.TryParse(partition, out _) && int.TryParse(broker, out _));

    private static double? Bound(string text) => text.Length == 0 ? null : double.Parse(text, CultureInfo.InvariantCulture);

    private string Wrong(string value, string why) => $"Invalid value {(IsSensitive ? "[hidden]" : value)} for configuration {Name}: {why}";
}
