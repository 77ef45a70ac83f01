"""The operator application (操作者用ICカード), an application of this project's own on its operators' cards."""
