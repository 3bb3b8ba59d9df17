using System.Text.RegularExpressions;

namespace OrleansPd.Server.Tests.Docs;

/// <summary>What the pages promise has a test, and the tests they name are there.</summary>
public sealed partial class ClaimTests
{
    private static readonly string Tests = Path.Combine(Repository.Root, "tests");

    public static TheoryData<string, string> SecurityClaims => Rows("docs/security.md", "| claim | test |", 1);

    public static TheoryData<string, string> Faults => Rows("docs/reliability.md", "| row | fault | expected | tests |", 3);

    [Theory]
    [MemberData(nameof(SecurityClaims))]
    public void Each_claim_of_the_security_page_names_tests_that_exist(string claim, string tests)
    {
        var names = Code().Matches(tests).Select(match => match.Groups[1].Value).ToArray();
        Assert.True(names.Length > 0, $"no test is named for: {claim}");
        Assert.All(names, name =>
        {
            var (type, method) = name.Split('.') is [var first, var second] ? (first, second) : (name, null);
            var file = Path.Combine(Tests, "OrleansPd.Gateway.Tests", type + ".cs");
            Assert.True(File.Exists(file), $"{name}: there is no {type}.cs");
            var lines = File.ReadAllLines(file);
            Assert.True(lines.Where((_, i) => IsTest(lines, i, method)).Any(), $"{name} is no test");
        });
    }

    [Theory]
    [MemberData(nameof(Faults))]
    public void Each_row_of_the_fault_matrix_has_a_test_of_its_name_or_says_which_suite(string row, string tests)
    {
        var methods = Methods.Value;
        foreach (var name in Code().Matches(tests).Select(match => match.Groups[1].Value))
        {
            var found = name.EndsWith("_*", StringComparison.Ordinal)
                ? methods.Any(method => method.StartsWith(name[..^1], StringComparison.Ordinal))
                : name.StartsWith("--", StringComparison.Ordinal) || Classes.Value.Contains(name)
                    || Directory.Exists(FolderOf(name));
            Assert.True(found, $"{row}: there is no test {name}");
        }
        Assert.True(tests.Contains('`') || tests.Contains("suite", StringComparison.Ordinal), $"{row}: no test is named");
    }

    /// <summary>Whether a method begins there, under attributes that make it a test.</summary>
    private static bool IsTest(string[] lines, int at, string? method) =>
        Method().Match(lines[at]) is { Success: true } found && (method is null || found.Groups[1].Value == method)
        && lines.Take(at).Reverse().TakeWhile(line => line.Trim().Length > 0 && !line.Trim().StartsWith('}'))
            .Any(line => line.Trim() is "[Fact]" or "[Theory]");

    private static Lazy<HashSet<string>> Methods { get; } = new(
        () => [.. Sources().SelectMany(file => Method().Matches(File.ReadAllText(file))).Select(match => match.Groups[1].Value)]);

    private static Lazy<HashSet<string>> Classes { get; } = new(
        () => [.. Sources().Select(file => Path.GetFileNameWithoutExtension(file))]);

    private static string FolderOf(string name) => Path.Combine(Tests, "OrleansPd." + name);

    private static IEnumerable<string> Sources() => Directory.EnumerateFiles(Tests, "*.cs", SearchOption.AllDirectories)
        .Where(file => !file.Split(Path.DirectorySeparatorChar).Contains("obj"));

    /// <summary>First and another cell of each row under a heading.</summary>
    private static TheoryData<string, string> Rows(string page, string heading, int cell)
    {
        var rows = new TheoryData<string, string>();
        var lines = File.ReadAllLines(Path.Combine(Repository.Root, page)).SkipWhile(line => line != heading).Skip(2);
        foreach (var line in lines.TakeWhile(line => line.StartsWith('|')))
        {
            var cells = line.Trim('|').Split('|', StringSplitOptions.TrimEntries);
            rows.Add(cells[0], cells[cell]);
        }
        Assert.True(rows.Count > 10, $"{page} has lost its table");
        return rows;
    }

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Code();

    [GeneratedRegex(@"public (?:async Task|void) (\w+)\(")]
    private static partial Regex Method();
}
