namespace OrleansPd.Server.CommandLine;

/// <summary>Number options whose errors name the flag and the range.</summary>
internal static class Numbers
{
    public static Option<int> Whole(string name, string value, string help, int initial, int min, int max = int.MaxValue) =>
        Create(name, value, help, initial, text =>
            int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)
            && number >= min && number <= max
                ? number
                : null,
            max == int.MaxValue ? $"a whole number from {min}" : $"a whole number from {min} to {max}");

    public static Option<double> Real(
        string name, string value, string help, double initial, double min, double max = double.MaxValue) =>
        Create(name, value, help, initial, text =>
            double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
            && number >= min && number <= max
                ? number
                : null,
            max == double.MaxValue ? FormattableString.Invariant($"a number from {min}")
                : FormattableString.Invariant($"a number from {min} to {max}"));

    private static Option<T> Create<T>(string name, string value, string help, T initial, Func<string, T?> parse, string form)
        where T : struct => new(name)
        {
            CustomParser = result =>
            {
                var text = result.Tokens[0].Value;
                if (parse(text) is { } number)
                    return number;
                result.AddError($"{name}: '{text}' is not {form}.");
                return default;
            },
            DefaultValueFactory = _ => initial,
            Description = help,
            HelpName = value,
        };
}
