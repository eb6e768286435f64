from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("dead_letters", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="deadletter",
            name="item_number",
            field=models.BigIntegerField(null=True, verbose_name="item"),
        ),
        migrations.AddIndex(
            model_name="deadletter",
            index=models.Index(
                condition=models.Q(("state__in", ("pending", "exception"))),
                fields=["item_number"],
                name="deadletter_open_of_item",
            ),
        ),
    ]
